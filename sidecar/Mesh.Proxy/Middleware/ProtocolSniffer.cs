using System.Buffers;
using System.IO.Pipelines;
using Mesh.Proxy.Infrastructure;

namespace Mesh.Proxy.Middleware;

/// <summary>What a connection's first bytes look like.</summary>
internal enum WireProtocol : byte
{
    /// <summary>The connection ended, or the wait was cancelled, before it could be told.</summary>
    Ended,

    /// <summary>A request line begins.</summary>
    Http1,

    /// <summary>Anything else, HTTP/2 included: passed through as bytes.</summary>
    Opaque,
}

/// <summary>
/// Tells by the first bytes, without consuming them, what stands in front of an application whose protocol nobody declared. A server that speaks
/// first needs its protocol declared: silence decides nothing (as Istio with its detection timeout off).
/// </summary>
internal static class ProtocolSniffer
{
    private const int LongestMethod = 24;

    /// <summary>Waits until it can tell. A cancelled read ends the wait.</summary>
    public static async ValueTask<WireProtocol> DetectAsync(PipeReader input)
    {
        while (true)
        {
            ReadResult read = await SafePipe.ReadAsync(input);
            WireProtocol? verdict = Classify(read.Buffer);
            bool isLast = verdict is not null || read.IsCompleted || read.IsCanceled;

            // Examined: nothing when we are done, so that the next reader sees the bytes at once.
            SafePipe.Advance(input, read, read.Buffer.Start, isLast ? read.Buffer.Start : read.Buffer.End);
            if (isLast)
            {
                return verdict ?? (read.Buffer.IsEmpty || read.IsCanceled ? WireProtocol.Ended : WireProtocol.Opaque);
            }
        }
    }

    /// <summary>What the bytes say; null when more are needed.</summary>
    internal static WireProtocol? Classify(in ReadOnlySequence<byte> bytes)
    {
        Span<byte> copy = stackalloc byte[LongestMethod];
        int length = (int)Math.Min(bytes.Length, copy.Length);
        bytes.Slice(0, length).CopyTo(copy);
        ReadOnlySpan<byte> head = copy[..length].TrimStart("\r\n"u8);
        ReadOnlySpan<byte> preface = "PRI * HTTP/2.0"u8;
        if (head.StartsWith(preface))
        {
            return WireProtocol.Opaque;
        }

        if (preface.StartsWith(head))
        {
            return head.IsEmpty && length == LongestMethod ? WireProtocol.Opaque : null;
        }

        int end = head.IndexOfAnyExceptInRange((byte)'A', (byte)'Z'); // methods are upper case, some with a hyphen
        while (end >= 0 && head[end] == '-')
        {
            int next = head[(end + 1)..].IndexOfAnyExceptInRange((byte)'A', (byte)'Z');
            end = next < 0 ? -1 : end + 1 + next;
        }

        return end > 0 && head[end] == ' ' ? WireProtocol.Http1
            : end >= 0 || length == LongestMethod ? WireProtocol.Opaque : null;
    }
}
