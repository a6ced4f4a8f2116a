using System.IO.Pipelines;
using Mesh.ControlPlane.Coordination;
using Mesh.ControlPlane.Push;
using Mesh.ControlPlane.Registry;
using Mesh.Rules.Wire;
using Microsoft.AspNetCore.Http;

namespace Mesh.ControlPlane.Hosting;

/// <summary>Writes the stream of a sidecar: pushes when there is something new, orders when a decision cannot wait for the next report, and a sign of life.</summary>
/// <param name="hub">What to push.</param>
/// <param name="coordinator">Decides what sidecars share.</param>
/// <param name="stats">Counters.</param>
/// <param name="time">Clock.</param>
internal sealed class SidecarStreams(PushHub hub, MeshCoordinator coordinator, PushStats stats, TimeProvider time)
{
    /// <summary>A comment line goes out after so much silence, so that both ends notice a dead connection.</summary>
    public static readonly TimeSpan PingInterval = TimeSpan.FromSeconds(5);

    private const int WriteSize = 16 * 1024;

    /// <summary>Answers the call with a stream that lasts until <paramref name="end"/>.</summary>
    public async Task FollowAsync(HttpContext context, RegisteredSidecar sidecar, CancellationToken end)
    {
        PushSession session = sidecar.Session;
        PushStream stream = new(hub, session.Namespace, context.Request.Headers["Last-Event-ID"].ToString());
        context.Response.ContentType = SseWriter.ContentType;
        context.Response.Headers.CacheControl = "no-store";
        bool isCompressed = context.Request.Headers.AcceptEncoding.ToString().Contains("gzip", StringComparison.OrdinalIgnoreCase);
        if (isCompressed)
        {
            context.Response.Headers.ContentEncoding = "gzip";
        }

        session.CountStream(1);
        try
        {
            await context.Response.Body.FlushAsync(end);
            await WriteAsync(context.Response.BodyWriter, isCompressed, session, stream, end);
        }
        catch (OperationCanceledException) when (end.IsCancellationRequested)
        {
            // The sidecar went away, or this process ends: either way the stream has done its work.
        }
        finally
        {
            session.CountStream(-1);
        }
    }

    private async Task WriteAsync(PipeWriter output, bool isCompressed, PushSession session, PushStream stream, CancellationToken end)
    {
        OrderStream orders = new();
        (Task Content, Task Orders, Task Either) waited = (Task.CompletedTask, Task.CompletedTask, Task.CompletedTask);
        while (!end.IsCancellationRequested)
        {
            Task ordered = coordinator.Watch();
            (MeshContent current, Task changed) = hub.Watch();
            (PushMessage? push, ReadOnlyMemory<byte> text) = await NextAsync(stream, current, isCompressed, session, end);
            if (push is not null)
            {
                await WriteAsync(output, text, end);
            }

            if (orders.Next(coordinator.OrdersFor(session.Id)) is { } order)
            {
                await WriteAsync(output, OrderStream.EventOf(order, isCompressed), end);
            }

            if (!ReferenceEquals(waited.Content, changed) || !ReferenceEquals(waited.Orders, ordered))
            {
                waited = (changed, ordered, Task.WhenAny(changed, ordered)); // kept from one ping to the next: each would stay with both tasks until they end
            }

            await waited.Either.WaitAsync(PingInterval, time, end).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            if (!waited.Either.IsCompleted && !end.IsCancellationRequested)
            {
                await WriteAsync(output, PushCache.PingOf(isCompressed), end);
            }
        }
    }

    // In turns: what a thousand streams need is made by the first of them, and the others must not hold a thread each until it is there.
    private async Task<(PushMessage? Push, ReadOnlyMemory<byte> Text)> NextAsync(
        PushStream stream, MeshContent current, bool isCompressed, PushSession session, CancellationToken end)
    {
        await hub.Pushes.Turn.WaitAsync(end);
        try
        {
            if (stream.Next(current) is not { } next)
            {
                return default;
            }

            session.Sent(next.Content, time.GetTimestamp());
            stats.CountPush(next.Push.IsFull);
            return (next.Push, hub.Pushes.EventOf(next.Push, isCompressed));
        }
        finally
        {
            hub.Pushes.Turn.Release();
        }
    }

    // The writer copies what it is given before it looks how much waits to be sent: a thousand whole sets at once would be gigabytes.
    private static async Task WriteAsync(PipeWriter writer, ReadOnlyMemory<byte> text, CancellationToken end)
    {
        for (; text.Length > 0 && !end.IsCancellationRequested; text = text[Math.Min(WriteSize, text.Length)..])
        {
            await writer.WriteAsync(text[..Math.Min(WriteSize, text.Length)], end);
        }
    }
}
