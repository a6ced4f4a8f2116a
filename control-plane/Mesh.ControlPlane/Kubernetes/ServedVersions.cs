using System.Text.Json;

namespace Mesh.ControlPlane.Kubernetes;

/// <summary>Asks a server in which version it serves a resource. Stateless.</summary>
internal static class ServedVersions
{
    /// <summary>The best version that is served and that we read; or why there is none, which is NotFound when the server does not know the resource.</summary>
    public static async Task<(string? Version, ApiFailure? Failure)> FindAsync(KubernetesClient client, ResourceType type, CancellationToken stop)
    {
        List<string> served = ["v1"];
        if (type.Group.Length > 0)
        {
            using ApiAnswer group = await client.GetAsync($"/apis/{type.Group}", stop);
            if (group.Failure is { } failure)
            {
                return (null, failure.Kind == FailureKind.NotFound ? Missing(type) : failure);
            }

            served = [.. group.Object.Items("versions").Select(static v => v.Text("version"))];
        }

        foreach (string version in type.Versions.Where(served.Contains))
        {
            using ApiAnswer resources = await client.GetAsync(type.Root(version), stop);
            if (resources.Failure is { Kind: not FailureKind.NotFound } failure)
            {
                return (null, failure);
            }

            if (resources.Failure is null && resources.Object.Items("resources").Any(r => r.Text("name") == type.Plural && CanWatch(r)))
            {
                return (version, null);
            }
        }

        return (null, Missing(type));
    }

    private static bool CanWatch(JsonElement resource) =>
        resource.Items("verbs").Any(static verb => verb.ValueKind == JsonValueKind.String && verb.GetString() == "watch");

    private static ApiFailure Missing(ResourceType type) => new(
        FailureKind.NotFound,
        404,
        $"the API server does not serve {type.Name}, to be watched, in a version that this build reads ({string.Join(", ", type.Versions)}); apply its CustomResourceDefinition");
}
