using System.Collections.Frozen;

namespace Mesh.Cli.Reports;

/// <summary>What each check is about, for those that read a report without the rule beside it.</summary>
internal static class CheckTexts
{
    private static readonly FrozenDictionary<string, (string What, string Help)> Known = new Dictionary<string, (string, string)>(StringComparer.Ordinal)
    {
        ["advice"] = ("The rule is legal and probably does not do what was meant.", "Read the message: it says what happens, and what to write instead."),
        ["deprecated"] = ("A field is deprecated.", "The message names the field that replaces it."),
        ["detector-off"] = ("Outlier detection with all its detectors off.", "Write consecutive5xxErrors or consecutiveGatewayErrors above 0."),
        ["dotted-host"] = ("A host such as reviews.prod is taken as it is and names no service.", "Write the full name: reviews.prod.svc.cluster.local."),
        ["duplicate-field"] = ("A field is written twice.", "Remove one of the two; which one would count is not defined."),
        ["duplicate-object"] = ("Two objects have one kind, namespace and name.", "Give one of them another name; the one applied last replaces the other."),
        ["egress-host-unknown"] = ("A Sidecar lets in a host that nobody has.", "Write namespace/full-name, such as default/reviews.default.svc.cluster.local."),
        ["ejection-replaced"] = ("outlierDetection beside a CircuitBreaker for each endpoint, which takes its place.", "Remove outlierDetection, or write per: host."),
        ["gateway-errors-unseen"] = ("consecutiveGatewayErrors never acts, because consecutive5xxErrors ejects first.", "Write less than consecutive5xxErrors, or consecutive5xxErrors: 0."),
        ["grpc-tcp-limit"] = ("A limit of connections hardly limits gRPC.", "Write connectionPool.http.http2MaxRequests."),
        ["hidden-policy"] = ("An older ResiliencePolicy selects the same.", "Put both into one policy."),
        ["invalid"] = ("A value breaks a rule of its field.", "The message names the values that are allowed."),
        ["long-connect-timeout"] = ("Callers wait long for a host outside the mesh that is down.", "Write connectionPool.tcp.connectTimeout of 3s to 5s."),
        ["many-retries"] = ("Many retries multiply the load when something fails.", "Write attempts: 2, and bound the sum with a retry budget."),
        ["never-ejects"] = ("maxEjectionPercent allows not even one endpoint to be ejected.", "Write a percentage that is at least one endpoint's share."),
        ["no-timeout"] = ("Calls to a host outside the mesh have no timeout.", "Write a VirtualService for the host with timeout: 10s, or what the partner promises."),
        ["not-enforced"] = ("A field is accepted and has no effect in this version.", "The message says what happens instead."),
        ["not-supported"] = ("A value, kind or version is not one of those known.", "The message lists them."),
        ["partner-maximum"] = ("All sidecars together may open more connections than the partner takes.", "Write a limit of at most the partner's maximum divided by the number of sidecars."),
        ["per-try-ignored"] = ("perTryTimeout is not below the route's timeout.", "Write a shorter perTryTimeout, or a longer timeout."),
        ["registry-only-by-default"] = ("outboundTrafficPolicy without mode means REGISTRY_ONLY.", "Write the mode that is meant."),
        ["required"] = ("A required field is missing.", "The message says what belongs there."),
        ["selects-all"] = ("A selector without labels selects every workload.", "Write the labels of those that are meant."),
        ["selects-nothing"] = ("A selector finds no workload.", "Compare its labels with those of the workloads."),
        ["several-rules"] = ("Several DestinationRules are for one host.", "Put the policy into one rule."),
        ["several-sidecars"] = ("Several Sidecars are for the same workloads.", "Give each workload one Sidecar."),
        ["shadow-part"] = ("A part of a rule in shadow mode cannot be evaluated.", "Nothing: the rest is; the message says what is."),
        ["short-host"] = ("A ServiceEntry has a host without a dot, for which no rule can be written.", "Write a name with a dot, or the full name of a service."),
        ["subset-empty"] = ("A subset's labels fit no endpoint.", "Compare its labels with those of the endpoints."),
        ["syntax"] = ("The text is no YAML, no JSON, or no Kubernetes object.", "The message names the place."),
        ["timeout-cuts-retries"] = ("The route's timeout ends before its retries can.", "Write a longer timeout, or fewer attempts."),
        ["unknown-field"] = ("A field of this name does not exist.", "Look for a misspelling; the message suggests the nearest name."),
        ["unknown-route"] = ("A ResiliencePolicy is for a route that no VirtualService has.", "Write the name of an http route to that host."),
        ["unknown-subset"] = ("A ResiliencePolicy is for a subset that no DestinationRule defines.", "Write the name of a subset of that host."),
        ["unselected-workload"] = ("No ServiceEntry selects a WorkloadEntry.", "Write its labels into the workloadSelector of a ServiceEntry in the same namespace."),
        ["workload-name"] = ("A WorkloadEntry has a name where its ServiceEntry needs an IP address.", "Write the IP, or resolution: DNS in the ServiceEntry."),
        ["wrong-type"] = ("A value has the wrong type.", "The message says which type is wanted."),
        ["zone-affinity"] = ("outlierDetection also makes callers prefer their own zone.", "Write loadBalancer.localityLbSetting.enabled, true or false."),
    }.ToFrozenDictionary(StringComparer.Ordinal);

    /// <summary>Checks that have a text of their own.</summary>
    public static IReadOnlyCollection<string> Names => Known.Keys;

    /// <summary>What the check finds, and what to do about it.</summary>
    public static (string What, string Help) Of(string check) => Known.GetValueOrDefault(check, Known["advice"]);
}
