using System.Globalization;
using System.Text.RegularExpressions;

namespace Mesh.Peers.Load;

/// <summary>The sum that <c>strace -c</c> prints.</summary>
internal static partial class SyscallCount
{
    /// <summary>Calls in all.</summary>
    /// <exception cref="FormatException">There is no line "total".</exception>
    public static long Parse(string text)
    {
        Match match = Total().Match(text);
        return match.Success
            ? long.Parse(match.Groups[1].Value, NumberStyles.None, CultureInfo.InvariantCulture)
            : throw new FormatException($"strace printed no line 'total': {text}");
    }

    // % time, seconds, usecs/call, calls, errors (may be empty), "total".
    [GeneratedRegex(@"^\s*100\.00\s+[\d.]+\s+\d+\s+(\d+)(?:\s+\d+)?\s+total\s*$", RegexOptions.Multiline)]
    private static partial Regex Total();
}
