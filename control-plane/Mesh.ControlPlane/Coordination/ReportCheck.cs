using System.Collections.Immutable;
using Mesh.Rules.Wire;

namespace Mesh.ControlPlane.Coordination;

/// <summary>Says what is wrong with a report before anything is decided on it: a sidecar that is broken, or was taken over, must cost the others nothing. Pure.</summary>
internal static class ReportCheck
{
    /// <summary>Most circuits, and most limits, that one sidecar shares.</summary>
    public const int Most = 500;

    private const int MostLetters = 512; // of a name: a host has 253 at most

    /// <summary>The first problem, with its place; null when all is well.</summary>
    public static string? Problem(SidecarReport report) =>
        Problem("circuits", report.Circuits, static c => c.Rule.Length + c.Cluster.Length)
        ?? Problem("limits", report.Limits, static l => l.Rule.Length + l.Cluster.Length + l.Limit.Length);

    private static string? Problem<T>(string field, ImmutableArray<T> entries, Func<T, int> letters)
        where T : class
    {
        if (entries.IsDefault || entries.Length > Most)
        {
            return entries.IsDefault ? $"{field}: missing; write [] for none" : $"{field}: {entries.Length} entries; write {Most} at most";
        }

        for (int i = 0; i < entries.Length; i++)
        {
            if (entries[i] is not { } entry)
            {
                return $"{field}[{i}]: is null; leave it out";
            }

            if (letters(entry) > MostLetters)
            {
                return $"{field}[{i}]: its names have {letters(entry)} letters; write the rule's and the upstream's, {MostLetters} at most together";
            }
        }

        return null;
    }
}
