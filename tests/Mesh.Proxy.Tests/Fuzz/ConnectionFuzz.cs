using Mesh.Proxy.Tests.Component;
using Mesh.Proxy.Tests.Http1;
using Mesh.Testing;
using Xunit;

namespace Mesh.Proxy.Tests.Fuzz;

/// <summary>
/// A client's bytes through the whole pipeline, with a credulous upstream that answers whatever it takes for a request: it never gets two at once, never more than
/// were counted, each answer comes back once; and afterwards no connection is left, no gauge is up and no exception was a surprise.
/// </summary>
internal static class ConnectionFuzz
{
    private const string Ok = "HTTP/1.1 200 Fuzzed\r\nContent-Length: 2\r\n\r\nok";

    public static void Run(ReadOnlySpan<byte> input)
    {
        NoSynchronizationContext.Use(); // all runs inline
        RunAsync(input.ToArray()).WaitAsync(TimeSpan.FromSeconds(30)).GetAwaiter().GetResult();
    }

    private static async Task RunAsync(byte[] bytes)
    {
        await using Pipeline pipeline = new();
        MemoryConnection client = pipeline.Connect();
        int cut = bytes.Length == 0 ? 0 : ((bytes.Length * 31) + bytes[^1]) % (bytes.Length + 1);
        await client.SendAsync(bytes.AsMemory(0, cut));
        await client.SendAsync(bytes.AsMemory(cut));
        int answered = await ServeAsync(pipeline);
        string back = client.IsAborted || client.IsDisposed ? "" : client.ReadAvailable();
        Assert.InRange(answered, 0, pipeline.Stats.Outbound.RqTotal.Value);
        Assert.True(back.Length == 0 || back.Split("200 Fuzzed").Length - 1 == answered, $"{answered} answered, but got back: {back}");
        client.End();
    }

    private static async Task<int> ServeAsync(Pipeline pipeline)
    {
        List<(MemoryConnection Connection, List<byte> Got)> upstreams = [];
        int answered = 0;
        bool moved = true;
        while (moved)
        {
            moved = false;
            while (upstreams.Count < pipeline.Upstreams.Made)
            {
                upstreams.Add((await pipeline.Upstreams.AcceptAsync(), []));
            }

            foreach ((MemoryConnection upstream, List<byte> got) in upstreams.Where(static u => !u.Connection.IsAborted && !u.Connection.IsDisposed))
            {
                got.AddRange(Wire.Bytes(upstream.ReadAvailable()));
                GullibleMessage message = GullibleReader.Request([.. got]);
                if (message.IsWhole)
                {
                    Assert.True(message.Length == got.Count, $"more than one request at once: {Wire.Text([.. got])}");
                    got.Clear();
                    await upstream.SendAsync(Ok);
                    answered++;
                    moved = true;
                }
            }
        }

        return answered;
    }
}
