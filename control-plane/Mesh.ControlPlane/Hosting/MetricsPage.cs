using System.Globalization;
using System.Text;
using Mesh.ControlPlane.Access;
using Mesh.ControlPlane.Admission;
using Mesh.ControlPlane.Kubernetes;
using Mesh.ControlPlane.Push;
using Mesh.ControlPlane.Registry;
using Mesh.ControlPlane.Store;

namespace Mesh.ControlPlane.Hosting;

/// <summary>Writes the metrics in Prometheus' text format 0.0.4. Stateless but for what it reads.</summary>
/// <param name="store">Rules.</param>
/// <param name="registry">Sidecars.</param>
/// <param name="stats">Counters.</param>
/// <param name="door">Counters of the door.</param>
/// <param name="cluster">The cluster, or null.</param>
internal sealed class MetricsPage(IRuleStore store, EndpointRegistry registry, PushStats stats, DoorStats door, ClusterSource? cluster = null)
{
    /// <summary>Content type of the page.</summary>
    public const string ContentType = "text/plain; version=0.0.4; charset=utf-8";

    private static readonly (string Name, string Type, string Help, Func<WatchLoop, long> Value)[] Watched =
    [
        ("mesh_kubernetes_lists_total", "counter", "Whole lists read from the cluster.", static l => l.Lists),
        ("mesh_kubernetes_watches_total", "counter", "Watches opened.", static l => l.Watches),
        ("mesh_kubernetes_trouble", "gauge", "1 while a resource cannot be followed; the log says why.", static l => l.Trouble is null ? 0 : 1),
    ];

    /// <summary>Counters of the webhooks; null where there are none.</summary>
    public WebhookStats? Webhooks { get; set; }

    /// <summary>Adds what callers share; null where nothing can be.</summary>
    public Action<StringBuilder>? Shared { get; init; }

    /// <summary>The page now.</summary>
    /// <param name="now">Time, for what is to end.</param>
    public string Write(DateTimeOffset now)
    {
        StringBuilder page = new();
        IReadOnlyCollection<RegisteredSidecar> sidecars = registry.Sidecars;
        RuleStoreState rules = store.Current;
        Family(page, "mesh_sidecars_registered", "gauge", "Sidecars whose lease runs.");
        Sample(page, "mesh_sidecars_registered", sidecars.Count);
        Family(page, "mesh_sidecars_connected", "gauge", "Sidecars that have a stream open.");
        Sample(page, "mesh_sidecars_connected", sidecars.Count(static s => s.Session.View.Streams > 0));
        Family(page, "mesh_endpoints", "gauge", "Endpoints that sidecars are told of.");
        Sample(page, "mesh_endpoints", registry.Current.Endpoints.Sum(static e => e.Value.Length));
        Family(page, "mesh_pushes_total", "counter", "Pushes sent to sidecars.");
        Sample(page, "mesh_pushes_total{type=\"full\"}", stats.FullPushes);
        Sample(page, "mesh_pushes_total{type=\"delta\"}", stats.DeltaPushes);
        Family(page, "mesh_push_acks_total", "counter", "Versions that sidecars accepted.");
        Sample(page, "mesh_push_acks_total", stats.Acks);
        Family(page, "mesh_push_nacks_total", "counter", "Versions that sidecars refused, wholly or in part.");
        Sample(page, "mesh_push_nacks_total", stats.Nacks);
        Latency(page);
        Family(page, "mesh_rules", "gauge", "Rules in the store.");
        foreach ((string kind, int count) in rules.Rules.Keys.CountBy(static key => key.Kind).OrderBy(static k => k.Key, StringComparer.Ordinal))
        {
            Sample(page, $"mesh_rules{{kind=\"{kind}\"}}", count);
        }

        Family(page, "mesh_rejected_writes_total", "counter", "Writes of rules that the API refused.");
        Sample(page, "mesh_rejected_writes_total", stats.RejectedWrites);
        Family(page, "mesh_rules_rejected", "gauge", "Rules that the store has and cannot take, the last good version of each stays.");
        Sample(page, "mesh_rules_rejected", store.Rejected.Count);
        Family(page, "mesh_rule_rejections_total", "counter", "Times that a rule in the store could not be taken.");
        Sample(page, "mesh_rule_rejections_total", store.Rejections);
        Family(page, "mesh_store_revision", "gauge", "Revision of the rule store.");
        Sample(page, "mesh_store_revision", rules.Revision);
        Door(page);
        if (cluster is not null)
        {
            Cluster(page, cluster, rules);
        }

        Webhooks?.Write(page, now);
        Shared?.Invoke(page);

        return page.ToString();
    }

    private static void Family(StringBuilder page, string name, string type, string help) =>
        page.Append($"# HELP {name} {help}\n# TYPE {name} {type}\n");

    private static void Sample(StringBuilder page, string series, long value) => page.Append(CultureInfo.InvariantCulture, $"{series} {value}\n");

    private static void Cluster(StringBuilder page, ClusterSource cluster, RuleStoreState rules)
    {
        Family(page, "mesh_leader", "gauge", "1 while this replica writes statuses.");
        Sample(page, "mesh_leader", cluster.Elector.IsLeader ? 1 : 0);
        Family(page, "mesh_rules_refused", "gauge", "Objects in the cluster that are no valid rules.");
        Sample(page, "mesh_rules_refused", rules.Refused.Count);
        Family(page, "mesh_status_writes_total", "counter", "Statuses written to the cluster.");
        Sample(page, "mesh_status_writes_total", cluster.Statuses.Writes);
        if (cluster.Roots is { } roots)
        {
            Family(page, "mesh_root_configmaps_missing", "gauge", "Namespaces whose sidecars are not told, or told wrongly, what certificate to trust.");
            Sample(page, "mesh_root_configmaps_missing", roots.Missing);
            Family(page, "mesh_root_configmap_writes_total", "counter", "ConfigMaps with the roots written.");
            Sample(page, "mesh_root_configmap_writes_total", roots.Writes);
        }

        foreach ((string name, string type, string help, Func<WatchLoop, long> value) in Watched)
        {
            Family(page, name, type, help);
            foreach (WatchLoop loop in cluster.Loops.Concat(cluster.Roots?.Loops ?? []))
            {
                Sample(page, $"{name}{{resource=\"{loop.Type.Name}\"}}", value(loop));
            }
        }
    }

    private void Door(StringBuilder page)
    {
        Family(page, "mesh_door_refusals_total", "counter", "Requests to the API that were not let in: foreign, missing or bad token, unjudged, route or identity of another.");
        foreach (Refusal reason in Enum.GetValues<Refusal>())
        {
            Sample(page, $"mesh_door_refusals_total{{reason=\"{reason.ToString().ToLowerInvariant()}\"}}", door.Refused(reason));
        }

        Family(page, "mesh_token_reviews_total", "counter", "Tokens that the API server was asked about.");
        Sample(page, "mesh_token_reviews_total", door.Reviews);
        Family(page, "mesh_token_review_failures_total", "counter", "Those of them that it could not judge.");
        Sample(page, "mesh_token_review_failures_total", door.FailedReviews);
    }

    private void Latency(StringBuilder page)
    {
        const string Name = "mesh_push_ack_seconds";
        (long[] counts, double sum) = stats.Latency;
        Family(page, Name, "histogram", "Time from a push to the sidecar's answer.");
        long cumulated = 0;
        for (int i = 0; i < counts.Length; i++)
        {
            cumulated += counts[i];
            string bound = i < PushStats.LatencyBounds.Length ? PushStats.LatencyBounds[i].ToString(CultureInfo.InvariantCulture) : "+Inf";
            Sample(page, $"{Name}_bucket{{le=\"{bound}\"}}", cumulated);
        }

        page.Append(CultureInfo.InvariantCulture, $"{Name}_sum {sum}\n");
        Sample(page, $"{Name}_count", cumulated);
    }
}
