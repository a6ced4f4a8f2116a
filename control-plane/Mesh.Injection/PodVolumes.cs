using System.Text.Json.Nodes;

namespace Mesh.Injection;

/// <summary>The volumes of the sidecar: state, token, the control plane's root, and what the pod is.</summary>
internal static class PodVolumes
{
    private const int TokenSeconds = 43200; // kubelet renews it at four fifths

    /// <summary>Adds them to <paramref name="spec"/>.</summary>
    public static void Add(JsonObject spec, PodSettings pod)
    {
        JsonArray volumes = spec.ListAt("volumes");
        Add(volumes, Names.StateVolume, "emptyDir", []);
        Add(volumes, Names.TokenVolume, "projected", new JsonObject
        {
            ["sources"] = new JsonArray(new JsonObject
            {
                ["serviceAccountToken"] = new JsonObject
                {
                    ["audience"] = InjectionSettings.TokenAudience,
                    ["expirationSeconds"] = TokenSeconds,
                    ["path"] = "token",
                },
            }),
        });
        Add(volumes, Names.RootVolume, "configMap", new JsonObject { ["name"] = InjectionSettings.RootConfigMap });
        Add(volumes, Names.PodVolume, "downwardAPI", new JsonObject
        {
            ["items"] = new JsonArray(Field("labels"), Field("annotations")),
        });
        foreach ((string name, JsonNode? volume) in pod.UserVolumes ?? [])
        {
            JsonObject copy = volume is JsonObject given ? (JsonObject)given.DeepClone() : [];
            copy["name"] = name;
            volumes.Add((JsonNode)copy);
        }
    }

    private static JsonObject Field(string name) => new()
    {
        ["path"] = name,
        ["fieldRef"] = new JsonObject { ["fieldPath"] = $"metadata.{name}" },
    };

    private static void Add(JsonArray volumes, string name, string kind, JsonObject source) =>
        volumes.Add((JsonNode)new JsonObject { ["name"] = name, [kind] = source });
}
