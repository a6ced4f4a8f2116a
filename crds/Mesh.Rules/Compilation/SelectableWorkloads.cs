using System.Collections.Immutable;
using Mesh.Rules.Kinds;
using Mesh.Rules.Reading;
using Mesh.Rules.Resolution;
using Mesh.Rules.Snapshots;

namespace Mesh.Rules.Compilation;

/// <summary>
/// What the workloadSelector of a service entry can select: the WorkloadEntries of its namespace, and the registered sidecars there. As in Istio a selector without labels
/// selects them all. Pure.
/// </summary>
/// <param name="view">Services and endpoints.</param>
/// <param name="rules">Rules of the view.</param>
internal sealed class SelectableWorkloads(MeshView view, RuleSet rules)
{
    /// <summary>WorkloadEntries of <paramref name="ownNamespace"/> that carry the labels; their own labels stand in the result.</summary>
    public IEnumerable<WorkloadEntry> Entries(string ownNamespace, ServiceEntrySelector selector) =>
        from document in rules.WorkloadsOf(ownNamespace)
        let labels = LabelsOf(document)
        where LabelMatch.HasAll(labels, selector.Labels)
        select (WorkloadEntry)document.Spec with { Labels = labels };

    /// <summary>
    /// Registered sidecars of <paramref name="ownNamespace"/> that carry the labels and serve the port that the entry means. They are called where they listen for peers, which is
    /// in front of their application, whatever its port.
    /// </summary>
    public IEnumerable<LabelledEndpoint> Sidecars(string ownNamespace, ServiceEntrySelector selector, ServicePort port)
    {
        int number = port.TargetPort ?? port.Number ?? 0;
        return from service in view.Services.Values
               where service.Namespace == ownNamespace
               from endpoint in view.Endpoints.GetValueOrDefault(service.Host, [])
               where endpoint.ServicePort == number && LabelMatch.HasAll(endpoint.Labels, selector.Labels)
               select new LabelledEndpoint(new EndpointConfig(endpoint.Address, 1, endpoint.Zone, endpoint.Workload, ownNamespace, endpoint.Version), endpoint.Labels);
    }

    /// <summary>Labels of a WorkloadEntry: those of its spec and those of the object itself, which win (as in Istio).</summary>
    public static ImmutableSortedDictionary<string, string> LabelsOf(RuleDocument workload) => ((WorkloadEntry)workload.Spec).Labels.SetItems(workload.Labels);
}
