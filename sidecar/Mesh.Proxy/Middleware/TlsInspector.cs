using System.IO.Pipelines;
using System.Runtime.CompilerServices;
using Mesh.Proxy.Infrastructure;

namespace Mesh.Proxy.Middleware;

/// <summary>
/// Reads what a client says before its TLS begins, without consuming or decrypting a byte: Envoy's tls_inspector. Whoever is not TLS, or breaks it, has named nobody; what
/// becomes of the bytes is for the routes and the server to say. Stateless.
/// </summary>
internal static class TlsInspector
{
    /// <summary>Longest wait for a hello, Envoy's listener_filters_timeout. A client that is silent for longer waits for its server to speak, as Istio assumes too.</summary>
    public static readonly TimeSpan LongestWait = TimeSpan.FromSeconds(15);

    /// <summary>Waits until it can tell. Null when the client has ended without a byte, or the wait was cancelled.</summary>
    [AsyncMethodBuilder(typeof(PooledMethodBuilder<>))]
    public static async ValueTask<ClientHello?> ReadAsync(PipeReader input, TimeProvider time)
    {
        Deadline? deadline = null;
        try
        {
            while (true)
            {
                if (!SafePipe.TryRead(input, out ReadResult read))
                {
                    deadline ??= Begin(input, time);
                    read = await SafePipe.ReadAsync(input);
                }

                bool isEmpty = read.Buffer.IsEmpty;
                HelloStatus status = ClientHello.Parse(read.Buffer, out ClientHello hello);
                bool isLast = status != HelloStatus.Incomplete || read.IsCompleted || read.IsCanceled;

                // Examined: nothing when we are done, so that the next reader sees the bytes at once.
                SafePipe.Advance(input, read, read.Buffer.Start, isLast ? read.Buffer.Start : read.Buffer.End);
                if (isLast)
                {
                    bool isOver = read.IsCompleted ? isEmpty : status == HelloStatus.Incomplete && deadline?.HasPassed != true;
                    return isOver ? null : hello;
                }
            }
        }
        finally
        {
            deadline?.Dispose();
        }
    }

    private static Deadline Begin(PipeReader input, TimeProvider time)
    {
        Deadline deadline = new(time, static i => ((PipeReader)i).CancelPendingRead(), input);
        deadline.Set(LongestWait);
        return deadline;
    }
}
