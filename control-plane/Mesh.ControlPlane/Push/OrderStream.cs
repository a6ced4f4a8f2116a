using System.Text.Json;
using Mesh.Rules.Wire;

namespace Mesh.ControlPlane.Push;

/// <summary>Decides which orders one open stream is sent: those that say something else than the last ones did. That they hold longer is told in answers to reports. Used by one connection.</summary>
internal sealed class OrderStream
{
    private SidecarOrders _sent = new();

    /// <summary>What to send; null when nothing was decided anew.</summary>
    /// <param name="orders">What is decided now; null for a sidecar that shares nothing.</param>
    public SidecarOrders? Next(SidecarOrders? orders)
    {
        if (orders is null || IsSame(orders, _sent))
        {
            return null;
        }

        _sent = orders;
        return orders;
    }

    /// <summary>Whether both say the same, but for how long it holds.</summary>
    public static bool IsSame(SidecarOrders left, SidecarOrders right) =>
        left.Circuits.SequenceEqual(right.Circuits, IsSame) && left.Limits.SequenceEqual(right.Limits);

    /// <summary>Orders as an event of the stream, in UTF-8, plain or as a whole gzip member.</summary>
    public static ReadOnlyMemory<byte> EventOf(SidecarOrders orders, bool isCompressed) => PushCache.Made(
        text => SseWriter.WriteEvent(text, null, SseWriter.OrdersEvent, JsonSerializer.Serialize(orders, WireJson.Default.SidecarOrders)), isCompressed);

    private static bool IsSame(CircuitOrder left, CircuitOrder right) =>
        (left.Epoch, left.State, left.Trials) == (right.Epoch, right.State, right.Trials) && left.Cluster == right.Cluster && left.Rule == right.Rule;
}
