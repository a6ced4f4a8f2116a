using System.Collections.Immutable;
using Mesh.Rules.Wire;

namespace Mesh.ControlPlane.Coordination;

/// <summary>Says what is wrong with a report before anything is decided on it: a sidecar that is broken, or was taken over, must cost the others nothing. Pure.</summary>
internal static class ReportCheck
{
    /// <summary>Most circuits, and most limits, that one sidecar shares.</summary>
    public const int Most = 500;

    private const int KeyLetters = 32; // of a hash
    private const int MostLetters = 512; // of a name: a host has 253 at most

    /// <summary>
    /// The report without keys that are no hashes, and with as many of those that want most as there is room for beside the whole limits: a user too many is no reason to hear nothing of a
    /// sidecar. The same object where all is well.
    /// </summary>
    public static SidecarReport WithoutExcess(SidecarReport report)
    {
        ImmutableArray<LimitReport> limits = report.Limits;
        if (limits.IsDefault || (limits.Length <= Most && limits.All(static l => l is null || l.Key.Length == 0 || IsHash(l.Key))))
        {
            return report;
        }

        LimitReport[] whole = [.. limits.Where(static l => l is null || l.Key.Length == 0)];
        IEnumerable<LimitReport> keyed = limits.Where(static l => l is not null && IsHash(l.Key)).OrderByDescending(static l => l.Wanted);
        return report with { Limits = [.. whole, .. keyed.Take(Math.Max(0, Most - whole.Length))] };
    }

    /// <summary>The first problem, with its place; null when all is well.</summary>
    public static string? Problem(SidecarReport report) =>
        Problem("circuits", report.Circuits, static c => c.Rule.Length + c.Cluster.Length)
        ?? Problem("limits", report.Limits, static l => l.Rule.Length + l.Cluster.Length + l.Limit.Length);

    private static bool IsHash(string key) => key.Length == KeyLetters && key.All(char.IsAsciiHexDigit);

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
