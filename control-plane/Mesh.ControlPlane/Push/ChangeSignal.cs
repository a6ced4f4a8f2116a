using System.Threading.Channels;

namespace Mesh.ControlPlane.Push;

/// <summary>Says that something changed, any number of times from any thread, to the one loop that waits. Many calls before a wait count once.</summary>
internal sealed class ChangeSignal
{
    private readonly Channel<bool> _channel = Channel.CreateBounded<bool>(
        new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite, SingleReader = true });

    /// <summary>True when there is a change that nobody has waited for yet.</summary>
    public bool IsSet => _channel.Reader.Count > 0;

    /// <summary>Something changed.</summary>
    public void Set() => _channel.Writer.TryWrite(true);

    /// <summary>Takes the signal, waiting for it if need be.</summary>
    public async Task WaitAsync(CancellationToken stop) => await _channel.Reader.ReadAsync(stop);
}
