using System.Net;
using Mesh.Rules.Compilation;
using Mesh.Rules.Kinds;
using Mesh.Rules.Reading;
using Mesh.Rules.Resolution;
using Mesh.Rules.Validation;

namespace Mesh.Rules.Advice;

/// <summary>Workloads that nobody selects, and selectors that select nobody. Legal, since the other half may come later. Pure.</summary>
internal static class WorkloadAdvice
{
    /// <summary>Looks at a WorkloadEntry among the service entries of its namespace that select by labels.</summary>
    public static IEnumerable<Diagnostic> OnWorkload(RuleDocument workload, IEnumerable<ServiceEntry> selecting)
    {
        ServiceEntry[] mine = [.. selecting.Where(e => LabelMatch.HasAll(SelectableWorkloads.LabelsOf(workload), e.WorkloadSelector!.Labels))];
        WorkloadEntry spec = (WorkloadEntry)workload.Spec;
        if (mine.Length == 0)
        {
            yield return RuleSetCheck.Warning(
                "spec.labels",
                $"no ServiceEntry of namespace '{workload.Key.Namespace}' selects this workload, so nobody calls it; write these labels into the workloadSelector of one") with
            {
                Check = "unselected-workload",
            };
        }
        else if (!string.IsNullOrEmpty(spec.Address) && !spec.Address.StartsWith("unix:", StringComparison.Ordinal) && !IPAddress.TryParse(spec.Address, out _)
            && Array.Find(mine, static e => e.Resolution == "STATIC") is { } literal)
        {
            yield return RuleSetCheck.Warning(
                "spec.address", $"'{spec.Address}' is no IP address, and '{literal.Hosts[0]}' has resolution: STATIC, so the workload is left out; write the IP here, or resolution: DNS there") with
            {
                Check = "workload-name",
            };
        }
    }

    /// <summary>A service entry whose selector found nobody, neither a WorkloadEntry nor a sidecar.</summary>
    public static Diagnostic OnEmptySelector(RuleDocument entry) => RuleSetCheck.Warning(
        "spec.workloadSelector",
        $"selects no WorkloadEntry and no sidecar of namespace '{entry.Key.Namespace}' that serves its ports: every request is answered 503; look at the labels with kubectl get we -o yaml") with
    {
        Check = "selects-nothing",
    };
}
