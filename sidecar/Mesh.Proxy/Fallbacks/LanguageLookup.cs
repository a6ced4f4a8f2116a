using System.Globalization;

namespace Mesh.Proxy.Fallbacks;

/// <summary>Which of some languages a caller wants most (RFC 4647, 3.4, with the weights of RFC 9110, 12.5.4). Pure.</summary>
internal static class LanguageLookup
{
    private const int MaxRanges = 32; // what follows them is nobody's wish

    /// <summary>Index of the tag that <paramref name="accept"/> finds first, or -1.</summary>
    /// <param name="accept">Value of accept-language.</param>
    /// <param name="tags">Languages that there are.</param>
    public static int Find(string accept, IReadOnlyList<string> tags)
    {
        IEnumerable<string> wanted = accept.Split(',', MaxRanges + 1).Take(MaxRanges).Select(Parse)
            .Where(static r => r.Weight > 0 && r.Range is not ("" or "*"))
            .OrderByDescending(static r => r.Weight)
            .Select(static r => r.Range);
        foreach (string range in wanted)
        {
            for (string rest = range; rest.Length > 0; rest = Shorter(rest))
            {
                for (int i = 0; i < tags.Count; i++)
                {
                    if (tags[i].Equals(rest, StringComparison.OrdinalIgnoreCase))
                    {
                        return i;
                    }
                }
            }
        }

        return -1;
    }

    private static (string Range, double Weight) Parse(string element)
    {
        string[] parts = element.Split(';', StringSplitOptions.TrimEntries);
        double weight = 1;
        foreach (string parameter in parts.AsSpan(1))
        {
            if (parameter.StartsWith("q=", StringComparison.OrdinalIgnoreCase))
            {
                weight = double.TryParse(parameter.AsSpan(2), NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out double given) ? given : 0;
            }
        }

        return (parts[0], weight);
    }

    // A subtag less; one of a single letter says what the next one means and goes with it.
    private static string Shorter(string range)
    {
        int end = range.LastIndexOf('-');
        return end < 0 ? "" : end > 1 && range[end - 2] == '-' ? range[..(end - 2)] : range[..end];
    }
}
