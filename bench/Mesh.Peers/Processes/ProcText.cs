using System.Globalization;

namespace Mesh.Peers.Processes;

/// <summary>CPU time of a process or thread since it began, in microseconds.</summary>
internal readonly record struct CpuTime(double User, double System)
{
    /// <summary>Both together.</summary>
    public double Total => User + System;

    public static CpuTime operator +(CpuTime a, CpuTime b) => new(a.User + b.User, a.System + b.System);

    public static CpuTime operator -(CpuTime a, CpuTime b) => new(a.User - b.User, a.System - b.System);
}

/// <summary>Memory of a process in KiB; <paramref name="Pss"/> has pages shared with others divided by their number.</summary>
internal readonly record struct MemoryUse(long Rss, long Pss)
{
    public static MemoryUse operator +(MemoryUse a, MemoryUse b) => new(a.Rss + b.Rss, a.Pss + b.Pss);
}

/// <summary>Reads texts of /proc. Pure.</summary>
internal static class ProcText
{
    private const double MicrosPerTick = 10_000; // USER_HZ is 100 on every platform that .NET runs on

    /// <summary>CPU time in a text of /proc/PID/stat.</summary>
    /// <exception cref="FormatException">It is none.</exception>
    public static CpuTime Cpu(string stat)
    {
        string[] fields = AfterName(stat);
        return new CpuTime(Number(fields[11]) * MicrosPerTick, Number(fields[12]) * MicrosPerTick);
    }

    /// <summary>The parent in a text of /proc/PID/stat.</summary>
    /// <exception cref="FormatException">It is none.</exception>
    public static int Parent(string stat) => (int)Number(AfterName(stat)[1]);

    /// <summary>Memory in a text of /proc/PID/smaps_rollup.</summary>
    /// <exception cref="FormatException">A line is missing.</exception>
    public static MemoryUse Memory(string rollup) => new(Line(rollup, "Rss:"), Line(rollup, "Pss:"));

    /// <summary>The three averages of a text of /proc/loadavg.</summary>
    public static string LoadAverage(string text) => string.Join(' ', text.Split(' ').Take(3));

    // A name may hold blanks and parentheses: what counts begins after the last one.
    private static string[] AfterName(string stat)
    {
        string[] fields = stat[(stat.LastIndexOf(')') + 1)..].Split(' ', StringSplitOptions.RemoveEmptyEntries);
        return fields.Length >= 13 ? fields : throw new FormatException($"not a stat line: {stat}");
    }

    private static long Line(string rollup, string name)
    {
        string line = rollup.Split('\n').FirstOrDefault(l => l.StartsWith(name, StringComparison.Ordinal))
            ?? throw new FormatException($"no line {name} in smaps_rollup");
        return Number(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1]);
    }

    private static long Number(string text) => long.Parse(text, NumberStyles.None, CultureInfo.InvariantCulture);
}
