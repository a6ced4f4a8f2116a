using System.Globalization;

namespace Mesh.Sidecar.Options;

/// <summary>
/// How many client connections the process has descriptors for. When they are used up nothing can be accepted any more, the admin port included, and no
/// upstream can be reached; so the newest connection is refused before that.
/// </summary>
internal static class DescriptorLimit
{
    private const int Reserved = 256; // the runtime's own files, listeners, admin and metrics connections, the control plane

    /// <summary>Half of what is left after the reserve, as each client may need an upstream connection; at least 16. 0 where the system does not say.</summary>
    public static int Connections { get; } = Compute(ReadLimits());

    /// <summary>The same for the text of <c>/proc/self/limits</c>; null when there is none.</summary>
    internal static int Compute(string? limits)
    {
        const string Row = "Max open files";
        string? row = limits?.Split('\n').FirstOrDefault(static l => l.StartsWith(Row, StringComparison.Ordinal));
        string? soft = row?[Row.Length..].Split(' ', StringSplitOptions.RemoveEmptyEntries).FirstOrDefault();
        return int.TryParse(soft, NumberStyles.None, CultureInfo.InvariantCulture, out int files) ? Math.Max(16, (files - Reserved) / 2) : 0;
    }

    private static string? ReadLimits()
    {
        try
        {
            return File.Exists("/proc/self/limits") ? File.ReadAllText("/proc/self/limits") : null;
        }
        catch (Exception unreadable) when (unreadable is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }
}
