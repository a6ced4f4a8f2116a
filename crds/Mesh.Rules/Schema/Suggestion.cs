namespace Mesh.Rules.Schema;

/// <summary>"Did you mean": the nearest known name by edit distance, letter case ignored.</summary>
internal static class Suggestion
{
    /// <summary><c>; did you mean "x"?</c>, or empty when nothing is near.</summary>
    public static string For(string written, IEnumerable<string> known) =>
        Nearest(written, known) is { } best ? $"; did you mean \"{best}\"?" : "";

    public static string? Nearest(string written, IEnumerable<string> known)
    {
        if (written.Length is 0 or > 100)
        {
            return null;
        }

        string lower = written.ToLowerInvariant();
        string? best = null;
        int bestDistance = Math.Max(2, written.Length / 3) + 1;
        foreach (string candidate in known)
        {
            int distance = Distance(lower, candidate.ToLowerInvariant());
            if (distance < bestDistance && distance < candidate.Length)
            {
                (best, bestDistance) = (candidate, distance);
            }
        }

        return best;
    }

    /// <summary>Edit distance with neighbouring letters swapped counted as one edit, the commonest slip of the finger.</summary>
    internal static int Distance(string a, string b)
    {
        int[,] cost = new int[a.Length + 1, b.Length + 1];
        for (int i = 0; i <= a.Length; i++)
        {
            cost[i, 0] = i;
        }

        for (int j = 0; j <= b.Length; j++)
        {
            cost[0, j] = j;
        }

        for (int i = 1; i <= a.Length; i++)
        {
            for (int j = 1; j <= b.Length; j++)
            {
                int change = cost[i - 1, j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
                cost[i, j] = Math.Min(change, 1 + Math.Min(cost[i - 1, j], cost[i, j - 1]));
                if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                {
                    cost[i, j] = Math.Min(cost[i, j], cost[i - 2, j - 2] + 1);
                }
            }
        }

        return cost[a.Length, b.Length];
    }
}
