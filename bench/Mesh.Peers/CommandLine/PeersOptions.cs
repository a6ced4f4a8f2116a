using System.Globalization;
using Mesh.Peers.Peers;

namespace Mesh.Peers.CommandLine;

/// <summary>What the command line says.</summary>
internal sealed record PeersOptions
{
    /// <summary>Text of <c>--help</c>.</summary>
    public const string Usage = """
        usage: mesh-peers [--json FILE] [--full] [--rounds N] [--seconds S] [--sidecar FILE] [--runtime jit|native] [--peers LIST] [--before FILE]

          --json FILE       write the figures as JSON
          --full            also 10 KiB, 1 connection, a fixed rate, TCP, 10,000 idle connections, two loops (about 25 minutes)
          --rounds N        rounds, in which every proxy has its turn (5)
          --seconds S       length of one turn (5)
          --sidecar FILE    the sidecar to measure: Mesh.Sidecar.dll or a native binary; default: the one of this build
          --runtime KIND    what FILE is, jit or native; default: jit for a .dll, else native
          --peers LIST      whom to measure it against, of direct,haproxy,nginx,forwarder,routes,resilience; default: all but the last two,
                            which are the sidecar itself: routes with 50 routes of a VirtualService, of which the last one fits, retries
                            and a timeout; resilience with a CircuitBreaker, a RateLimit and a bulkhead that count and never refuse
          --before FILE     another build of the sidecar, measured beside it as the peer "before"
        """;

    /// <summary>Every peer by name, in the order of the tables.</summary>
    public static readonly IReadOnlyList<string> AllPeers = ["direct", "haproxy", "nginx", "forwarder", SidecarPeer.RoutesName, SidecarPeer.ResilienceName];

    /// <summary>Where to write the figures, or null.</summary>
    public string? JsonFile { get; init; }

    /// <summary>Whether to run the long list of cases.</summary>
    public bool Full { get; init; }

    /// <summary>Rounds, in which every proxy has its turn.</summary>
    public int Rounds { get; init; } = 5;

    /// <summary>Seconds of one turn.</summary>
    public int Seconds { get; init; } = 5;

    /// <summary>The sidecar's assembly or binary; null: that of this build.</summary>
    public string? Sidecar { get; init; }

    /// <summary>Whether the sidecar is compiled ahead of time.</summary>
    public bool IsNative { get; init; }

    /// <summary>Another build of the sidecar to measure beside it; null for none.</summary>
    public string? Before { get; init; }

    /// <summary>Peers to measure, in the order of <see cref="AllPeers"/>.</summary>
    public IReadOnlyList<string> Peers { get; init; } = [.. AllPeers.Where(static p => p is not (SidecarPeer.RoutesName or SidecarPeer.ResilienceName))];

    /// <summary>Reads the command line; a mistake is a sentence in <paramref name="error"/>.</summary>
    public static PeersOptions? Parse(IReadOnlyList<string> args, out string error)
    {
        PeersOptions options = new();
        string? runtime = null;
        error = "";
        for (int i = 0; i < args.Count; i++)
        {
            string name = args[i];
            if (name == "--full")
            {
                options = options with { Full = true };
                continue;
            }

            string value = i + 1 < args.Count ? args[++i] : "";
            if (name == "--runtime" && value is "jit" or "native")
            {
                runtime = value;
            }
            else if (Take(options, name, value) is { } taken)
            {
                options = taken;
            }
            else
            {
                error = Explain(name, value);
                return null;
            }
        }

        return Finish(options, runtime, out error);
    }

    private static PeersOptions? Take(PeersOptions options, string name, string value) => name switch
    {
        "--json" when value.Length > 0 => options with { JsonFile = value },
        "--sidecar" when value.Length > 0 => options with { Sidecar = value },
        "--before" when value.Length > 0 => options with { Before = value },
        "--rounds" when TryNumber(value, 100, out int rounds) => options with { Rounds = rounds },
        "--seconds" when TryNumber(value, 60, out int seconds) => options with { Seconds = seconds },
        "--peers" when TryPeers(value, out List<string> peers) => options with { Peers = peers },
        _ => null,
    };

    private static PeersOptions? Finish(PeersOptions options, string? runtime, out string error)
    {
        bool isAssembly = options.Sidecar is null || options.Sidecar.EndsWith(".dll", StringComparison.OrdinalIgnoreCase);
        bool isNative = runtime is null ? !isAssembly : runtime == "native";
        error = isNative && isAssembly
            ? "--runtime native needs --sidecar FILE with a native binary, not an assembly"
            : !isNative && !isAssembly ? $"--runtime jit needs an assembly; '{options.Sidecar}' does not end with .dll" : "";
        return error.Length > 0 ? null : options with { IsNative = isNative };
    }

    private static string Explain(string name, string value) => name switch
    {
        "--json" or "--sidecar" or "--before" => $"{name} needs a file",
        "--rounds" => $"--rounds: '{value}' is not right; write a number from 1 to 100",
        "--seconds" => $"--seconds: '{value}' is not right; write a number from 1 to 60",
        "--runtime" => $"--runtime: '{value}' is not right; write jit or native",
        "--peers" => $"--peers: '{value}' is not right; write names with commas between, of {string.Join(", ", AllPeers)}",
        _ => $"unknown option '{name}'; see --help",
    };

    private static bool TryNumber(string text, int most, out int number) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out number) && number >= 1 && number <= most;

    private static bool TryPeers(string text, out List<string> peers)
    {
        string[] named = text.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        peers = [.. AllPeers.Where(p => named.Contains(p, StringComparer.Ordinal))];
        return named.Length > 0 && named.All(static n => AllPeers.Contains(n, StringComparer.Ordinal));
    }
}
