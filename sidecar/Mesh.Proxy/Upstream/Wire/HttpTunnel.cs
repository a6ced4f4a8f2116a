using System.Buffers;
using System.IO.Pipelines;
using System.Text;
using Mesh.Proxy.Infrastructure;
using Mesh.Rules.Snapshots;
using Microsoft.AspNetCore.Connections;

namespace Mesh.Proxy.Upstream.Wire;

/// <summary>
/// Opens a tunnel through an HTTP/1.1 proxy, which the connection leads to: CONNECT, after which the connection is the tunnel, or POST, whose bodies are (as Envoy's
/// tunneling_config). The proxy's refusal is a failed connect.
/// </summary>
internal static class HttpTunnel
{
    private const int LongestHead = 16 * 1024;

    /// <summary>Opens it. On failure the words for it; the connection below is still the caller's.</summary>
    public static async ValueTask<(ConnectionContext? Connection, string? Failure)> OpenAsync(ConnectionContext below, TunnelConfig tunnel)
    {
        string request = tunnel.UsesPost
            ? $"POST / HTTP/1.1\r\nHost: {tunnel.Target}\r\nTransfer-Encoding: chunked\r\n\r\n"
            : $"CONNECT {tunnel.Target} HTTP/1.1\r\nHost: {tunnel.Target}\r\n\r\n";
        PipeWriter output = below.Transport.Output;
        output.Advance(Encoding.ASCII.GetBytes(request, output.GetSpan(request.Length)));
        string? head = await SafePipe.FlushAsync(output) ? await ReadFinalHeadAsync(below.Transport.Input) : null;
        if (head is null)
        {
            return (null, $"the proxy ended the connection before it answered for a tunnel to {tunnel.Target}");
        }

        int status = StatusOf(head);
        if (tunnel.UsesPost ? status != 200 : status is < 200 or > 299)
        {
            return (null, $"the proxy refused a tunnel to {tunnel.Target}: {head.AsSpan(0, head.IndexOf('\r', StringComparison.Ordinal))}");
        }

        if (!tunnel.UsesPost)
        {
            return (below, null);
        }

        bool isChunked = head.Contains("\r\ntransfer-encoding: chunked\r\n", StringComparison.OrdinalIgnoreCase);
        ChunkedStream bodies = new(new PipeStream(below.Transport), isChunked);
        return (new StreamConnection(below, bodies, bodies.EndAsync, static _ => null), null);
    }

    private static async ValueTask<string?> ReadFinalHeadAsync(PipeReader input)
    {
        while (true)
        {
            string? head = await ReadHeadAsync(input);
            if (head is null || StatusOf(head) is < 100 or > 199)
            {
                return head;
            }
        }
    }

    /// <summary>A head with its empty line; null when none comes. What follows it stays in the pipe.</summary>
    private static async ValueTask<string?> ReadHeadAsync(PipeReader input)
    {
        while (true)
        {
            ReadResult read = await SafePipe.ReadAsync(input);
            SequenceReader<byte> bytes = new(read.Buffer);
            if (!SafePipe.WasReset(read) && bytes.TryReadTo(out ReadOnlySequence<byte> head, "\r\n\r\n"u8))
            {
                string text = Encoding.Latin1.GetString(head) + "\r\n\r\n";
                input.AdvanceTo(bytes.Position);
                return text;
            }

            SafePipe.Advance(input, read, read.Buffer.Start, read.Buffer.End);
            if (read.IsCompleted || read.Buffer.Length > LongestHead)
            {
                return null;
            }
        }
    }

    private static int StatusOf(string head) =>
        head.Length > 12 && head.StartsWith("HTTP/1.", StringComparison.Ordinal) && int.TryParse(head.AsSpan(9, 3), out int status) ? status : 0;
}
