using System.Globalization;
using System.Text.RegularExpressions;

namespace Mesh.Peers.Load;

/// <summary>What wrk says at its end.</summary>
/// <param name="Requests">Answers it got.</param>
/// <param name="RequestsPerSecond">Per second of its own clock.</param>
/// <param name="P50Ms">Median latency.</param>
/// <param name="P99Ms">99th percentile.</param>
/// <param name="Errors">Socket errors, timeouts and answers other than 2xx and 3xx.</param>
internal sealed partial record WrkReport(long Requests, double RequestsPerSecond, double P50Ms, double P99Ms, long Errors)
{
    /// <summary>Reads what <c>wrk --latency</c> printed.</summary>
    /// <exception cref="FormatException">A line is missing.</exception>
    public static WrkReport Parse(string text)
    {
        Match sockets = SocketErrors().Match(text);
        Match codes = CodeErrors().Match(text);
        long errors = (codes.Success ? Whole(codes.Groups[1]) : 0)
            + (sockets.Success ? sockets.Groups.Values.Skip(1).Sum(Whole) : 0);
        return new WrkReport(
            Whole(Required(Total(), text, "requests in").Groups[1]),
            Fraction(Required(Rate(), text, "Requests/sec").Groups[1]),
            Milliseconds(Required(Median(), text, "50%")),
            Milliseconds(Required(Percentile99(), text, "99%")),
            errors);
    }

    private static Match Required(Regex regex, string text, string name)
    {
        Match match = regex.Match(text);
        return match.Success ? match : throw new FormatException($"wrk printed no line '{name}': {text}");
    }

    private static double Milliseconds(Match match) => Fraction(match.Groups[1]) * match.Groups[2].Value switch
    {
        "us" => 0.001,
        "ms" => 1,
        "s" => 1000,
        _ => 60_000, // minutes
    };

    private static long Whole(Group group) => long.Parse(group.Value, NumberStyles.None, CultureInfo.InvariantCulture);

    private static double Fraction(Group group) => double.Parse(group.Value, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture);

    [GeneratedRegex(@"^\s*(\d+) requests in ", RegexOptions.Multiline)]
    private static partial Regex Total();

    [GeneratedRegex(@"^Requests/sec:\s*([\d.]+)", RegexOptions.Multiline)]
    private static partial Regex Rate();

    [GeneratedRegex(@"^\s*50%\s+([\d.]+)(us|ms|s|m)\s*$", RegexOptions.Multiline)]
    private static partial Regex Median();

    [GeneratedRegex(@"^\s*99%\s+([\d.]+)(us|ms|s|m)\s*$", RegexOptions.Multiline)]
    private static partial Regex Percentile99();

    [GeneratedRegex(@"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)")]
    private static partial Regex SocketErrors();

    [GeneratedRegex(@"Non-2xx or 3xx responses: (\d+)")]
    private static partial Regex CodeErrors();
}
