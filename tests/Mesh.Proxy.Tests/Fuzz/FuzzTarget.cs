using Mesh.Proxy.Tests.Http1;

namespace Mesh.Proxy.Tests.Fuzz;

/// <summary>Checks one input: returns when all that must hold does, throws when not.</summary>
internal delegate void FuzzRun(ReadOnlySpan<byte> input);

/// <summary>One parser under fuzz. Its seeds are the tables of refused shapes and the files of its corpus folder.</summary>
/// <param name="Name">Name, also of the folder.</param>
/// <param name="Run">The check.</param>
/// <param name="Seeds">What mutation starts from, besides the corpus; the corpus, mostly well-formed, is taken as often.</param>
internal sealed record FuzzTarget(string Name, FuzzRun Run, IReadOnlyList<byte[]> Seeds)
{
    private static readonly IReadOnlyList<byte[]> Requests =
        [.. RefusedRequests.All.Select(static r => r.Raw).Concat(AcceptedRequests.All.Select(static r => r.Raw)).Select(Wire.Bytes).Where(IsShort)];

    private static readonly IReadOnlyList<byte[]> Responses = [.. RefusedResponses.All.Select(static r => Wire.Bytes(r.Raw)).Where(IsShort)];

    public static IReadOnlyList<FuzzTarget> All { get; } =
    [
        new("request-head", RequestHeadFuzz.Run, Requests),
        new("response-head", ResponseHeadFuzz.Run, Responses),
        new("chunked-body", ChunkedBodyFuzz.Run, [.. Bodies()]),
        new("request-stream", RequestStreamFuzz.Run, Requests),
        new("response-stream", ResponseStreamFuzz.Run, Responses),
        new("connection", ConnectionFuzz.Run, [.. Requests.Where(static r => r.AsSpan().IndexOf("CONNECT"u8) < 0)]), // not into tunnels
        new("path", PathFuzz.Run, [.. Paths()]),
        new("client-hello", ClientHelloFuzz.Run, ClientHelloFuzz.Seeds),
    ];

    /// <summary>The files of the corpus folder.</summary>
    public IEnumerable<string> CorpusFiles => Directory.EnumerateFiles(Path.Combine(AppContext.BaseDirectory, "Fuzz", "Corpus", Name)).Order(StringComparer.Ordinal);

    private static bool IsShort(byte[] seed) => seed.Length < 3000;

    private static IEnumerable<byte[]> Bodies() => Requests.Where(static r => r.AsSpan().IndexOf("chunked\r\n\r\n"u8) >= 0)
        .Select(static r => r[(r.AsSpan().IndexOf("\r\n\r\n"u8) + 4)..]);

    private static IEnumerable<byte[]> Paths() => Requests.Select(static r => Wire.Text(r).Split(' '))
        .Where(static parts => parts.Length > 1 && parts[1].StartsWith('/')).Select(static parts => Wire.Bytes(parts[1]));
}
