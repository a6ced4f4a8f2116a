using System.Text.Json.Nodes;
using Mesh.Rules.Reading;

namespace Mesh.Injection;

/// <summary>One annotation of a pod: how its text is taken, and what to write when it is wrong.</summary>
/// <param name="Key">The annotation.</param>
/// <param name="Expected">What to write.</param>
/// <param name="Take">Gives the settings with the value taken, or null when it is wrong; null for an annotation without effect so far.</param>
internal sealed record AnnotationRow(string Key, string Expected, Func<PodSettings, string, Notes, PodSettings?>? Take)
{
    private const string Sidecar = "sidecar.istio.io/";
    private const string Traffic = "traffic.sidecar.istio.io/";
    private const string Readiness = "readiness.status.sidecar.istio.io/";
    private const string PortsText = "ports and ranges with commas between, for example \"80,8000-8100\", or \"*\"";
    private const string RangesText = "networks with commas between, for example \"10.0.0.0/8,fd00::/8\", or \"*\"";
    private const string InterfacesText = "names of interfaces with commas between, for example \"eth1,net1\"";

    /// <summary>All that are known (semantics 9.3).</summary>
    public static IReadOnlyList<AnnotationRow> All { get; } =
    [
        new(Names.InjectKey, "\"true\" or \"false\"", static (o, _, _) => o), // InjectionDecision reads it
        new(Names.StatusKey, "nothing: the injector writes it", static (o, _, _) => o),
        Captured("includeInboundPorts", "--include-inbound-ports", PortsText, Values.ArePorts),
        Captured("excludeInboundPorts", "--exclude-inbound-ports", PortsText, Values.ArePorts),
        Captured("includeOutboundIPRanges", "--include-outbound-ip-ranges", RangesText, Values.AreRanges),
        Captured("excludeOutboundIPRanges", "--exclude-outbound-ip-ranges", RangesText, Values.AreRanges),
        Captured("includeOutboundPorts", "--include-outbound-ports", PortsText, Values.ArePorts),
        Captured("excludeOutboundPorts", "--exclude-outbound-ports", PortsText, Values.ArePorts),
        Captured("excludeInterfaces", "--exclude-interfaces", InterfacesText, Values.AreInterfaces),
        Captured("kubevirtInterfaces", "--kubevirt-interfaces", InterfacesText, Values.AreInterfaces),
        new(Sidecar + "interceptionMode", "REDIRECT, TPROXY or NONE", static (o, v, _) => TakeMode(o, v)),
        new(Sidecar + "proxyImage", "an image", static (o, v, _) => v.Length > 0 ? o with { Image = v } : null),
        Resource("proxyCPU", static (r, v) => r with { CpuRequest = v }),
        Resource("proxyMemory", static (r, v) => r with { MemoryRequest = v }),
        Resource("proxyCPULimit", static (r, v) => r with { CpuLimit = v }),
        Resource("proxyMemoryLimit", static (r, v) => r with { MemoryLimit = v }),
        Truth(Sidecar + "nativeSidecar", static (o, v) => o with { IsNative = v }),
        Truth(Sidecar + "rewriteAppHTTPProbers", static (o, v) => o with { RewritesProbes = v }),
        Truth("prometheus.istio.io/merge-metrics", static (o, v) => o with { MergesMetrics = v }),
        new(Sidecar + "userVolume", "a JSON object of volumes by name", static (o, v, _) => Json(v) is { } map ? o with { UserVolumes = map } : null),
        new(Sidecar + "userVolumeMount", "a JSON object of mounts by name", static (o, v, _) => Json(v) is { } map ? o with { UserMounts = map } : null),
        new("status.sidecar.istio.io/port", "\"15021\", or \"0\" for no probe", static (o, v, _) => v switch
        {
            "15020" or "15021" => o,
            "0" => o with { HasProbe = false },
            _ => null,
        }),
        Number(Readiness + "initialDelaySeconds", 0, static (o, n) => o with { ProbeDelay = n }),
        Number(Readiness + "periodSeconds", 1, static (o, n) => o with { ProbePeriod = n }),
        Number(Readiness + "failureThreshold", 1, static (o, n) => o with { ProbeFailures = n }),
        new(Names.ProxyConfigKey, "YAML such as 'terminationDrainDuration: 10s'", ProxyConfig.Take),
        .. ((string[])[
            "logLevel", "agentLogLevel", "componentLogLevel", "statsInclusionPrefixes", "statsInclusionSuffixes", "statsInclusionRegexps",
            "statsHistogramBuckets", "bootstrapOverride",
        ]).Select(static name => new AnnotationRow(Sidecar + name, "", null)),
    ];

    /// <summary>The row of an annotation, or null.</summary>
    public static AnnotationRow? Find(string key) => All.FirstOrDefault(row => row.Key == key);

    private static AnnotationRow Captured(string name, string option, string expected, Func<string, bool> isRight) => new(
        Traffic + name, expected, (o, v, _) => isRight(v) ? o with { Capture = o.Capture.SetItem(option, v) } : null);

    private static AnnotationRow Resource(string name, Func<ResourceSettings, string, ResourceSettings> take) => new(
        Sidecar + name, "a quantity, for example \"100m\" or \"128Mi\"",
        (o, v, _) => Values.IsQuantity(v) ? o with { OwnResources = take(o.OwnResources ?? new ResourceSettings(null, null, null, null), v) } : null);

    private static AnnotationRow Truth(string key, Func<PodSettings, bool, PodSettings> take) => new(
        key, "\"true\" or \"false\"", (o, v, _) => Values.Truth(v) is { } truth ? take(o, truth) : null);

    private static AnnotationRow Number(string key, int lowest, Func<PodSettings, int, PodSettings> take) => new(
        key, $"a whole number from {lowest} up", (o, v, _) => Values.IsNumber(v, lowest, out int number) ? take(o, number) : null);

    private static PodSettings? TakeMode(PodSettings pod, string value)
    {
        PodSettings plain = pod with { Mode = InterceptionMode.Redirect, Capture = pod.Capture.Remove("--mode") };
        return value switch
        {
            "REDIRECT" => plain,
            "TPROXY" => plain with { Mode = InterceptionMode.Tproxy, Capture = plain.Capture.SetItem("--mode", "TPROXY") },
            "NONE" => plain with { Mode = InterceptionMode.None },
            _ => null,
        };
    }

    private static JsonObject? Json(string text) => RuleJson.FromManifest(text) is ({ } map, []) ? map : null;
}
