using System.Globalization;

namespace Mesh.Load.CommandLine;

/// <summary>Times as siege writes them.</summary>
public static class SiegeTime
{
    /// <summary>Reads a number and S, M or H in either case, up to a day; without a letter, minutes. False for anything else, zero included.</summary>
    public static bool TryParse(string text, out TimeSpan time)
    {
        char unit = text.Length == 0 ? ' ' : char.ToUpperInvariant(text[^1]);
        string number = unit is 'S' or 'M' or 'H' ? text[..^1] : text;
        time = default;
        if (double.TryParse(number, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out double n) && n <= 86_400)
        {
            time = TimeSpan.FromSeconds(unit switch { 'S' => n, 'H' => n * 3600, _ => n * 60 });
        }

        return time > TimeSpan.Zero && time <= TimeSpan.FromDays(1);
    }
}
