using System.Text.Json;
using System.Text.Json.Nodes;
using Mesh.Rules.Reading;

namespace Mesh.Injection;

/// <summary>The annotation <c>proxy.istio.io/config</c>: Istio's ProxyConfig as YAML in a text.</summary>
internal static class ProxyConfig
{
    /// <summary>Takes what this mesh has; what it does not have is said. Null when the text is wrong.</summary>
    public static PodSettings? Take(PodSettings pod, string text, Notes notes)
    {
        if (RuleJson.FromManifest(text) is not ({ } config, []))
        {
            return null;
        }

        foreach ((string name, JsonNode? value) in config)
        {
            if (Take(pod, name, value, notes) is not { } taken)
            {
                notes.Problems.Add($"annotation {Names.ProxyConfigKey}: {name}: {value?.ToJsonString() ?? "null"} is not right");
                continue;
            }

            pod = taken;
        }

        return pod;
    }

    private static PodSettings? Take(PodSettings pod, string name, JsonNode? value, Notes notes)
    {
        JsonValueKind kind = value?.GetValueKind() ?? JsonValueKind.Null;
        string text = kind == JsonValueKind.String ? value!.GetValue<string>() : value?.ToJsonString() ?? "";
        switch (name)
        {
            case "concurrency":
                // 0 is every processor of the quota, which is the sidecar's default.
                return !Values.IsNumber(text, 0, out int count) || count > 1024 ? null
                    : count == 0 ? pod : Run(pod, "--concurrency", text);
            case "holdApplicationUntilProxyStarts":
                return Values.Truth(text) is { } holds ? pod with { HoldsApplication = holds } : null;
            case "terminationDrainDuration":
                return Values.IsTime(text) ? Run(pod, "--drain-time", text) : null;
            case "interceptionMode":
                return AnnotationRow.Find("sidecar.istio.io/interceptionMode")!.Take!(pod, text, notes);
            case "image" when value is JsonObject:
            case "proxyMetadata" when value is JsonObject:
                return Metadata(pod, name, (JsonObject)value!, notes);
            default:
                notes.Warnings.Add($"annotation {Names.ProxyConfigKey}: {name} is accepted but not enforced yet");
                return pod;
        }
    }

    private static PodSettings? Metadata(PodSettings pod, string name, JsonObject values, Notes notes)
    {
        foreach ((string key, string value) in values.Texts())
        {
            switch (key)
            {
                case "MINIMUM_DRAIN_DURATION" when Values.IsTime(value):
                    pod = Run(pod, "--minimum-drain-time", value);
                    break;
                case "MINIMUM_DRAIN_DURATION":
                    return null;
                case "EXIT_ON_ZERO_ACTIVE_CONNECTIONS" when Values.Truth(value) is { } exits:
                    pod = Run(pod, "--exit-on-zero-active-connections", exits ? "true" : "false");
                    break;
                case "EXIT_ON_ZERO_ACTIVE_CONNECTIONS":
                    return null;
                default:
                    notes.Warnings.Add($"annotation {Names.ProxyConfigKey}: {name}.{key} is accepted but not enforced yet");
                    break;
            }
        }

        return pod;
    }

    private static PodSettings Run(PodSettings pod, string option, string value) => pod with { Run = pod.Run.SetItem(option, value) };
}
