using System.Text;

namespace Mesh.Sidecar.Interception;

/// <summary>Our part of one table, as text for <c>iptables-restore --noflush</c>, which takes it as one transaction. Pure.</summary>
internal static class TableText
{
    /// <summary>
    /// Text that puts <paramref name="rules"/> in the place of those of ours that are there; the same again changes nothing. Empty when there are none, before and after.
    /// Of the chains that exist already only the jumps to ours are touched, so that nothing else in the table is lost.
    /// </summary>
    /// <param name="table">Name of the table.</param>
    /// <param name="chains">Names of our chains in it, those of other modes included.</param>
    /// <param name="saved">What <c>iptables-save -t TABLE</c> shows.</param>
    /// <param name="rules">Rules in order, each beginning with the name of its chain.</param>
    public static string Replace(string table, string[] chains, string saved, IReadOnlyList<string> rules)
    {
        string[] wanted = Array.FindAll(chains, c => rules.Any(r => r.StartsWith($"{c} ", StringComparison.Ordinal)));
        string[] left = Array.FindAll(chains, c => !wanted.Contains(c) && saved.Contains($":{c} ", StringComparison.Ordinal));
        if (wanted.Length + left.Length == 0)
        {
            return "";
        }

        StringBuilder text = new();
        IEnumerable<string> lines =
        [
            $"*{table}",
            .. saved.Split('\n').Where(l => IsJump(l, chains)).Select(static l => $"-D {l[3..]}"),
            .. wanted.Select(static c => $":{c} - [0:0]"), // makes it, or empties it
            .. left.Select(static c => $"-F {c}"),
            .. left.Select(static c => $"-X {c}"),
            .. rules.Select(static r => $"-A {r}"),
            "COMMIT",
        ];
        foreach (string line in lines)
        {
            text.Append(line).Append('\n');
        }

        return text.ToString();
    }

    // From a chain that is not ours into one of ours.
    private static bool IsJump(string line, string[] chains) => line.StartsWith("-A ", StringComparison.Ordinal) &&
        !Array.Exists(chains, c => line.StartsWith($"-A {c} ", StringComparison.Ordinal)) && Array.Exists(chains, c => line.EndsWith($" -j {c}", StringComparison.Ordinal));
}
