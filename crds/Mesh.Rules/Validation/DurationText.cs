using System.Buffers;
using System.Globalization;
using System.Text;

namespace Mesh.Rules.Validation;

/// <summary>
/// Durations as rules write them: <c>10s</c>, <c>250ms</c>, <c>1m30s</c>, <c>1.5s</c>; what Go's parser and protobuf's JSON accept. Pure.
/// </summary>
public static class DurationText
{
    /// <summary>Istio's text for a duration below one millisecond (it says "greater", and accepts exactly 1ms).</summary>
    public const string TooShort = "duration must be greater than 1ms";

    /// <summary>Istio's text for a fraction of a millisecond.</summary>
    public const string TooFine = "only durations to ms precision are supported";

    /// <summary>Longest duration that is accepted: protobuf's, 10 000 years of seconds.</summary>
    private const decimal MaxSeconds = 315_576_000_000m;

    private static readonly SearchValues<char> NumberCharacters = SearchValues.Create("0123456789.");

    /// <summary>Reads a duration; false when the text is none. Digits below 100 ns are dropped.</summary>
    public static bool TryParse(string? text, out TimeSpan value)
    {
        value = default;
        if (!TryParseSeconds(text, out decimal seconds))
        {
            return false;
        }

        value = new TimeSpan((long)(seconds * TimeSpan.TicksPerSecond));
        return true;
    }

    /// <summary>Reads a duration that obeys Istio's rules.</summary>
    /// <param name="text">The text.</param>
    /// <param name="allowZero">Whether <c>0s</c> is a value too (it switches something off).</param>
    /// <param name="value">The duration.</param>
    /// <returns>Null when good, else what is wrong and what to write.</returns>
    public static string? Check(string? text, bool allowZero, out TimeSpan value)
    {
        value = default;
        if (!TryParseSeconds(text, out decimal seconds))
        {
            return $"\"{Excerpt(text)}\" is not a duration; write a number with a unit, such as 10s, 250ms or 1m30s";
        }

        if (seconds == 0 && allowZero)
        {
            return null;
        }

        if (seconds < 0.001m)
        {
            return $"{TooShort}, was \"{Excerpt(text)}\"";
        }

        if (seconds % 0.001m != 0)
        {
            return $"{TooFine}, was \"{Excerpt(text)}\"";
        }

        value = new TimeSpan((long)(seconds * TimeSpan.TicksPerSecond));
        return null;
    }

    /// <summary>A duration as a rule would write it: <c>1m30s</c>, <c>250ms</c>.</summary>
    internal static string Short(TimeSpan time)
    {
        StringBuilder text = new();
        foreach ((long ticks, string unit) in ((long, string)[])[(TimeSpan.TicksPerHour, "h"), (TimeSpan.TicksPerMinute, "m"), (TimeSpan.TicksPerSecond, "s"), (TimeSpan.TicksPerMillisecond, "ms")])
        {
            if (time.Ticks >= ticks)
            {
                text.Append(CultureInfo.InvariantCulture, $"{time.Ticks / ticks}{unit}");
                time = new TimeSpan(time.Ticks % ticks);
            }
        }

        return text.Length == 0 ? "0s" : text.ToString();
    }

    private static string Excerpt(string? text) => text is { Length: > 40 } ? text[..37] + "..." : text ?? "";

    private static bool TryParseSeconds(string? text, out decimal seconds)
    {
        seconds = 0;
        if (text is null or { Length: 0 or > 64 })
        {
            return false;
        }

        ReadOnlySpan<char> rest = text;
        bool negative = rest[0] == '-';
        rest = rest[0] is '-' or '+' ? rest[1..] : rest;
        if (rest is "0")
        {
            return true; // as Go: the one number that needs no unit
        }

        if (rest.IsEmpty)
        {
            return false;
        }

        while (!rest.IsEmpty)
        {
            int digits = rest.IndexOfAnyExcept(NumberCharacters);
            if (digits <= 0 || !decimal.TryParse(rest[..digits], NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out decimal number))
            {
                return false;
            }

            rest = rest[digits..];
            int unitLength = rest.IndexOfAny(NumberCharacters);
            ReadOnlySpan<char> unit = unitLength < 0 ? rest : rest[..unitLength];
            decimal scale = Scale(unit);
            if (scale == 0 || number > MaxSeconds / scale || (seconds += number * scale) > MaxSeconds)
            {
                return false;
            }

            rest = rest[unit.Length..];
        }

        seconds = negative ? -seconds : seconds;
        return true;
    }

    private static decimal Scale(ReadOnlySpan<char> unit) => unit switch
    {
        "h" => 3600m,
        "m" => 60m,
        "s" => 1m,
        "ms" => 0.001m,
        "us" or "µs" or "μs" => 0.000_001m,
        "ns" => 0.000_000_001m,
        _ => 0m,
    };
}
