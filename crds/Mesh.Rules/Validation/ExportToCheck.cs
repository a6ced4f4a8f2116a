using System.Collections.Immutable;
using Mesh.Rules.Schema;

namespace Mesh.Rules.Validation;

/// <summary>Checks of <c>exportTo</c>, alike for all kinds.</summary>
internal static class ExportToCheck
{
    public static void Check(ImmutableArray<string> exportTo, Cursor at, bool hasWorkloadSelector = false)
    {
        for (int i = 0; i < exportTo.Length; i++)
        {
            string entry = exportTo[i];
            if (entry is not ("." or "*" or "~") && !HostName.IsLowerLabel(entry))
            {
                at.Item(i).Error($"{RuleNode.Quote(entry)} is no namespace; write \".\" (this one), \"*\" (all) or a namespace's name");
            }

            if (exportTo.IndexOf(entry) < i)
            {
                at.Item(i).Error($"duplicate entries in exportTo: {entry}");
            }
        }

        if (exportTo.Contains("*") && exportTo.Distinct().Count() > 1)
        {
            at.Error("cannot have both public (*) and non-public exportTo values");
        }

        if (hasWorkloadSelector && exportTo.Length > 1)
        {
            at.Error("destination rule with workload selector cannot have multiple entries in exportTo");
        }
        else if (hasWorkloadSelector && exportTo is [not "."])
        {
            at.Error("destination rule with workload selector cannot have exportTo beyond current namespace");
        }
    }
}
