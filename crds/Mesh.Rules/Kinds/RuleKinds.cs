using System.Collections.Immutable;
using System.Text.Json.Nodes;
using Mesh.Rules.Schema;
using Mesh.Rules.Validation;

namespace Mesh.Rules.Kinds;

/// <summary>The list of rule kinds; reading, the API, the store and the CRDs all go by it. Immutable.</summary>
public static class RuleKinds
{
    private static readonly ImmutableArray<string> Versions = ["v1", "v1alpha3", "v1beta1"];
    private static readonly ImmutableArray<string> IstioCategories = ["istio-io", "networking-istio-io"];

    /// <summary>Policy for traffic to a host.</summary>
    public static RuleKind DestinationRule { get; } = Networking(
        "DestinationRule",
        "destinationrules",
        "dr",
        "What a caller's sidecar does with traffic to one host: limits, outlier detection, load balancing, TLS.",
        [new PrinterColumn("Host", "string", ".spec.host", "The service the rule is about")],
        Kinds.DestinationRule.Schema,
        DestinationRuleCheck.Check);

    /// <summary>A service that the registry does not know.</summary>
    public static RuleKind ServiceEntry { get; } = Networking(
        "ServiceEntry",
        "serviceentries",
        "se",
        "A service that the registry does not know by itself.",
        [
            new PrinterColumn("Hosts", "string", ".spec.hosts", "Host names of the service"),
            new PrinterColumn("Location", "string", ".spec.location", "Inside the mesh or outside: MESH_EXTERNAL or MESH_INTERNAL"),
            new PrinterColumn("Resolution", "string", ".spec.resolution", "How endpoints are found: NONE, STATIC, DNS and others"),
        ],
        Kinds.ServiceEntry.Schema,
        ServiceEntryCheck.Check);

    /// <summary>Where traffic to some hosts goes.</summary>
    public static RuleKind VirtualService { get; } = Networking(
        "VirtualService",
        "virtualservices",
        "vs",
        "Where requests and connections to some hosts go: matches, weights, redirects, timeouts, retries, faults.",
        [
            new PrinterColumn("Gateways", "string", ".spec.gateways", "Gateways that obey the rule; mesh is every sidecar"),
            new PrinterColumn("Hosts", "string", ".spec.hosts", "Hosts that are routed"),
        ],
        Kinds.VirtualService.Schema,
        VirtualServiceCheck.Check);

    /// <summary>A workload that service entries select as an endpoint.</summary>
    public static RuleKind WorkloadEntry { get; } = Networking(
        "WorkloadEntry",
        "workloadentries",
        "we",
        "One workload, such as a virtual machine, that the ServiceEntries of its namespace select by its labels.",
        [new PrinterColumn("Address", "string", ".spec.address", "Address of the workload")],
        Kinds.WorkloadEntry.Schema,
        WorkloadEntryCheck.Check);

    /// <summary>What a sidecar sees of the mesh.</summary>
    public static RuleKind Sidecar { get; } = Networking(
        "Sidecar",
        "sidecars",
        "",
        "Which services the sidecars of a namespace see, what they do with calls for others, and what stands in front of their applications.",
        [],
        Kinds.Sidecar.Schema,
        SidecarCheck.Check);

    /// <summary>Ours: what Istio's kinds have no field for.</summary>
    public static RuleKind ResiliencePolicy { get; } = Ours(
        "ResiliencePolicy",
        "resiliencepolicies",
        "rp",
        "How long a request may wait for one host, how long a write may stall, and what keeps retries safe.",
        [
            new PrinterColumn("Host", "string", ".spec.host", "The service the policy is about"),
            new PrinterColumn("Profile", "string", ".spec.profile", "Whose defaults hold: istio or safe"),
        ],
        Kinds.ResiliencePolicy.Schema,
        ResiliencePolicyCheck.Check);

    /// <summary>Ours: a breaker with three states.</summary>
    public static RuleKind CircuitBreaker { get; } = Ours(
        "CircuitBreaker",
        "circuitbreakers",
        "cb",
        "Opens the circuit to one host when too many calls fail or are slow, tries it again after a while, and closes it when that goes well.",
        [
            new PrinterColumn("Host", "string", ".spec.host", "The service the breaker is for"),
            new PrinterColumn("State", "string", ".spec.state", "auto, forcedOpen, disabled or metricsOnly"),
            new PrinterColumn("Mode", "string", ".spec.mode", "enforce or shadow"),
        ],
        Kinds.CircuitBreaker.Schema,
        CircuitBreakerCheck.Check);

    /// <summary>Ours: a token bucket.</summary>
    public static RuleKind RateLimit { get; } = Ours(
        "RateLimit",
        "ratelimits",
        "rl",
        "How many requests one host gets in a time, in front of the host or of its application; the rest is refused or waits in line.",
        [
            new PrinterColumn("Host", "string", ".spec.host", "The service whose requests are limited"),
            new PrinterColumn("Tokens", "integer", ".spec.tokens", "Requests for each interval"),
            new PrinterColumn("Interval", "string", ".spec.interval", "Time in which the tokens come"),
            new PrinterColumn("Side", "string", ".spec.side", "caller or callee"),
            new PrinterColumn("Mode", "string", ".spec.mode", "enforce or shadow"),
        ],
        Kinds.RateLimit.Schema,
        RateLimitCheck.Check);

    /// <summary>Ours: an answer in place of a refusal.</summary>
    public static RuleKind Fallback { get; } = Ours(
        "Fallback",
        "fallbacks",
        "fb",
        "What callers of one host get while it is open, overflowing, late or gone: the last good answer with its age, another host's, or a fixed one.",
        [
            new PrinterColumn("Host", "string", ".spec.host", "The service the fallback is for"),
            new PrinterColumn("Mode", "string", ".spec.mode", "enforce or shadow"),
        ],
        Kinds.Fallback.Schema,
        FallbackCheck.Check);

    /// <summary>All kinds.</summary>
    public static ImmutableArray<RuleKind> All { get; } = [DestinationRule, ServiceEntry, VirtualService, WorkloadEntry, Sidecar, ResiliencePolicy, CircuitBreaker, RateLimit, Fallback];

    /// <summary>The kind of that group, served version and kind, or null.</summary>
    public static RuleKind? Find(string group, string version, string kind) =>
        All.FirstOrDefault(candidate => candidate.Group == group && candidate.Kind == kind && candidate.Versions.Contains(version));

    /// <summary>The kind of that group and plural, or null.</summary>
    public static RuleKind? FindByPlural(string group, string plural) =>
        All.FirstOrDefault(candidate => candidate.Group == group && candidate.Plural == plural);

    private static RuleKind Networking<T>(
        string kind,
        string plural,
        string shortName,
        string description,
        ImmutableArray<PrinterColumn> columns,
        ObjectSchema<T> spec,
        Action<T, Cursor> check)
        where T : class, new() =>
        new()
        {
            Group = "networking.istio.io",
            Versions = Versions,
            StorageVersion = "v1",
            Kind = kind,
            Plural = plural,
            Singular = kind.ToLowerInvariant(),
            ShortNames = shortName.Length > 0 ? [shortName] : [],
            Categories = IstioCategories,
            Columns = columns,
            Description = description,
            OpenApiSchema = () => WholeObject(description, spec.OpenApi()),
            Fields = () => spec.Fields,
            ReadSpec = (node, at) =>
            {
                if (!spec.TryRead(node, at, out T value))
                {
                    return null;
                }

                at.Check(value, check);
                return value;
            },
        };

    private static RuleKind Ours<T>(
        string kind, string plural, string shortName, string description, ImmutableArray<PrinterColumn> columns, ObjectSchema<T> spec, Action<T, Cursor> check)
        where T : class, new() =>
        Networking(kind, plural, shortName, description, columns, spec, check) with
        {
            Group = "resilience.mesh.dev",
            Versions = ["v1alpha1"],
            StorageVersion = "v1alpha1",
            Categories = ["mesh"],
        };

    private static JsonObject WholeObject(string description, JsonObject spec) => new()
    {
        ["description"] = description,
        ["type"] = "object",
        ["properties"] = new JsonObject
        {
            ["apiVersion"] = Text("Group and version of this object."),
            ["kind"] = Text("Kind of this object."),
            ["metadata"] = new JsonObject { ["type"] = "object" },
            ["spec"] = spec,
            ["status"] = new JsonObject { ["type"] = "object", ["x-kubernetes-preserve-unknown-fields"] = true },
        },
        ["required"] = new JsonArray("spec"),
    };

    private static JsonObject Text(string description) => new() { ["description"] = description, ["type"] = "string" };
}
