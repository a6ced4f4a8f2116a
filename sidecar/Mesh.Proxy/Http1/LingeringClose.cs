using System.IO.Pipelines;
using Mesh.Proxy.Infrastructure;
using Microsoft.AspNetCore.Connections;

namespace Mesh.Proxy.Http1;

/// <summary>
/// Ends a client connection after an answer that may have overtaken its request. Closing a socket with unread bytes makes the kernel send a reset, which
/// takes the answer away from a client that is still sending; so our side ends first, and what still comes is dropped until the client ends too.
/// </summary>
internal static class LingeringClose
{
    /// <summary>Longest wait for the client's end (Envoy's delayed_close_timeout).</summary>
    private static readonly TimeSpan Longest = TimeSpan.FromSeconds(1);

    /// <summary>Returns when the client has ended or had its time; the caller disposes the connection then. Never throws for what a peer does.</summary>
    public static async ValueTask RunAsync(ConnectionContext connection, TimeProvider time)
    {
        if (!ConnectionFeatures.CanEndSending(connection) || connection.ConnectionClosed.IsCancellationRequested)
        {
            return; // no kernel below, or the client has ended already
        }

        ConnectionFeatures.EndSending(connection);
        PipeReader input = connection.Transport.Input;
        using CancellationTokenSource deadline = new(Longest, time);
        using CancellationTokenRegistration wake = deadline.Token.UnsafeRegister(static s => ((PipeReader)s!).CancelPendingRead(), input);
        bool goesOn = true;
        while (goesOn && !deadline.IsCancellationRequested)
        {
            ReadResult read = await SafePipe.ReadAsync(input);
            SafePipe.Advance(input, read, read.Buffer.End, read.Buffer.End);
            goesOn = !read.IsCompleted;
        }
    }
}
