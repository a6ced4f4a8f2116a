using System.Collections.Immutable;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using Mesh.Rules.Reading;
using Mesh.Rules.Validation;

namespace Mesh.Injection;

/// <summary>One field of a settings file: how its value is taken. The options of <c>meshctl inject</c> go by the same rows.</summary>
/// <param name="Name">The field.</param>
/// <param name="Expected">What to write.</param>
/// <param name="Take">Gives the settings with the value taken, or null when it is wrong.</param>
public sealed record SettingRow(string Name, string Expected, Func<InjectionSettings, JsonNode?, InjectionSettings?> Take)
{
    private const string SelectorText = "a list of label selectors (matchLabels, matchExpressions)";

    /// <summary>All fields.</summary>
    public static IReadOnlyList<SettingRow> All { get; } =
    [
        Text("image", "an image", static (o, v) => o with { Image = v }),
        Text("imagePullPolicy", "Always, IfNotPresent or Never", static (o, v) => v is "Always" or "IfNotPresent" or "Never" ? o with { ImagePullPolicy = v } : null),
        Text("program", "the path of the program in the image", static (o, v) => o with { Program = v }),
        Text("controlPlane", "a URL of https, for example https://mesh-control-plane.mesh-system.svc:15010", static (o, v) =>
            Uri.TryCreate(v, UriKind.Absolute, out Uri? url) && url is { Scheme: "https" } or { Scheme: "http", IsLoopback: true } ? o with { ControlPlane = v } : null), // a token goes there
        Text("revision", "a revision, as in the namespace's label istio.io/rev", static (o, v) => o with { Revision = v }),
        Text("policy", "enabled or disabled", static (o, v) => v is "enabled" or "disabled" ? o with { IsEnabled = v == "enabled" } : null),
        Text("nativeSidecar", "auto, \"true\" or \"false\"", static (o, v) => v switch
        {
            "auto" => o with { Native = NativeSidecar.Auto },
            "true" => o with { Native = NativeSidecar.Always },
            "false" => o with { Native = NativeSidecar.Never },
            _ => null,
        }),
        Text("kubernetesVersion", "a version, for example \"1.33\"", static (o, v) => Minor(v) is { } minor ? o with { KubernetesMinor = minor } : null),
        Truth("holdApplicationUntilProxyStarts", static (o, v) => o with { HoldsApplication = v }),
        Truth("rewriteAppHTTPProbers", static (o, v) => o with { RewritesProbes = v }),
        Truth("mergeMetrics", static (o, v) => o with { MergesMetrics = v }),
        new("ignoredNamespaces", "a list of namespaces", static (o, v) => Texts(v) is { } names ? o with { IgnoredNamespaces = names } : null),
        new("neverInjectSelector", SelectorText, static (o, v) => Selectors(v) is { } all ? o with { NeverInject = all } : null),
        new("alwaysInjectSelector", SelectorText, static (o, v) => Selectors(v) is { } all ? o with { AlwaysInject = all } : null),
        new("resources", "requests and limits of cpu and memory", TakeResources),
    ];

    /// <summary>Reads a settings file; fields that are not there keep their defaults.</summary>
    /// <returns>The settings; null with what is wrong.</returns>
    public static (InjectionSettings? Settings, string? Problem) Read(string yaml)
    {
        if (RuleJson.FromManifest(yaml) is not ({ } file, []))
        {
            Diagnostic first = RuleJson.FromManifest(yaml).Diagnostics[0];
            return (null, $"line {first.Line}: {first.Message}");
        }

        InjectionSettings settings = InjectionSettings.Default;
        foreach ((string name, JsonNode? value) in file)
        {
            if (All.FirstOrDefault(r => r.Name == name) is not { } row)
            {
                return (null, $"{name}: there is no such setting; known are {string.Join(", ", All.Select(static r => r.Name))}");
            }

            if (row.Take(settings, value) is not { } taken)
            {
                return (null, $"{name}: {value?.ToJsonString() ?? "null"} is not right; write {row.Expected}");
            }

            settings = taken;
        }

        return (settings, null);
    }

    private static SettingRow Text(string name, string expected, Func<InjectionSettings, string, InjectionSettings?> take) => new(
        name, expected, (o, v) => v is JsonValue value && Scalar(value) is { Length: > 0 } text ? take(o, text) : null);

    private static SettingRow Truth(string name, Func<InjectionSettings, bool, InjectionSettings> take) => new(
        name, "true or false", (o, v) => v is JsonValue value && Values.Truth(Scalar(value)) is { } truth ? take(o, truth) : null);

    // 1.33 without quotes is a number, true a truth; both are meant as texts.
    private static string Scalar(JsonValue value) => value.GetValueKind() == JsonValueKind.String ? value.GetValue<string>() : value.ToJsonString();

    private static int? Minor(string version)
    {
        string[] parts = version.TrimStart('v').Split('.');
        return parts.Length >= 2 && parts[0] == "1" && int.TryParse(parts[1].TrimEnd('+'), NumberStyles.None, CultureInfo.InvariantCulture, out int minor) ? minor : null;
    }

    private static ImmutableArray<string>? Texts(JsonNode? value) =>
        value is JsonArray list && list.All(static item => item?.GetValueKind() == JsonValueKind.String)
            ? [.. list.Select(static item => item!.GetValue<string>())] : null;

    private static ImmutableArray<LabelSelector>? Selectors(JsonNode? value)
    {
        LabelSelector?[] all = value is JsonArray list ? [.. list.Select(Selector)] : [null];
        return all.Contains(null) ? null : [.. all.Select(static s => s!)];
    }

    private static LabelSelector? Selector(JsonNode? value)
    {
        if (value is not JsonObject map || map.Any(static f => f.Key is not ("matchLabels" or "matchExpressions")))
        {
            return null;
        }

        List<LabelCondition> conditions = [.. map.Map("matchLabels").Texts().Select(static l => new LabelCondition(l.Key, "In", [l.Value]))];
        foreach (JsonObject expression in map.Items("matchExpressions"))
        {
            if (expression.Text("key") is not { } key || expression.Text("operator") is not ("In" or "NotIn" or "Exists" or "DoesNotExist"))
            {
                return null;
            }

            conditions.Add(new LabelCondition(key, expression.Text("operator")!, Texts(expression["values"]) ?? []));
        }

        return new LabelSelector([.. conditions]);
    }

    private static InjectionSettings? TakeResources(InjectionSettings settings, JsonNode? value)
    {
        JsonObject? map = value as JsonObject;
        (JsonObject? requests, JsonObject? limits) = (map.Map("requests"), map.Map("limits"));
        ResourceSettings resources = new(requests.Text("cpu"), requests.Text("memory"), limits.Text("cpu"), limits.Text("memory"));
        string?[] all = [resources.CpuRequest, resources.MemoryRequest, resources.CpuLimit, resources.MemoryLimit];
        return map is not null && all.All(static q => q is null || Values.IsQuantity(q)) ? settings with { Resources = resources } : null;
    }
}
