using System.Buffers;
using System.IO.Pipelines;
using System.Net.Sockets;
using Mesh.Proxy.Http;
using Mesh.Proxy.Infrastructure;
using Mesh.Proxy.Telemetry;
using Mesh.Proxy.Upstream;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Connections.Features;

namespace Mesh.Proxy.Tcp;

/// <summary>How a relay ended.</summary>
/// <param name="BytesUp">Bytes from the client to the upstream.</param>
/// <param name="BytesDown">Bytes from the upstream to the client.</param>
/// <param name="Flag">DT when the duration limit ended it, else none.</param>
internal readonly record struct RelayResult(long BytesUp, long BytesDown, ResponseFlag Flag);

/// <summary>
/// Bytes both ways between a client and a rented upstream connection until both sides have ended: one side's end is passed on as such (half-close), the other may
/// go on. One timer watches idleness and age. Used once.
/// </summary>
internal sealed class TcpRelay(ConnectionContext down, UpstreamConnection upstream, ProxyContext context)
{
    private readonly TimeProvider _time = context.Runtime.Time;
    private long _bytesUp;
    private long _bytesDown;
    private long _lastActivity;
    private volatile bool _isTooOld;
    private volatile bool _isCut;

    /// <summary>Relays. Never throws for what a peer does; the caller closes both connections afterwards.</summary>
    /// <param name="idleTimeout">Longest silence of both sides; zero is off.</param>
    /// <param name="maxDuration">Longest life; null is unlimited.</param>
    public async Task<RelayResult> RunAsync(TimeSpan idleTimeout, TimeSpan? maxDuration)
    {
        long startedAt = _lastActivity = _time.GetTimestamp();
        using ITimer? watch = Watch(startedAt, idleTimeout, maxDuration);
        using CancellationTokenRegistration cutOff = context.CutOff.UnsafeRegister(static r => ((TcpRelay)r!).Cut(), this);
        Task up = PumpAsync(down.Transport.Input, upstream.Transport.Output, isUp: true);
        await PumpAsync(upstream.Transport.Input, down.Transport.Output, isUp: false);
        await up;
        return new RelayResult(_bytesUp, _bytesDown, _isTooOld ? ResponseFlag.DT : ResponseFlag.None);
    }

    private async Task PumpAsync(PipeReader from, PipeWriter to, bool isUp)
    {
        while (!_isCut)
        {
            ReadResult read = await SafePipe.ReadAsync(from);
            foreach (ReadOnlyMemory<byte> segment in read.Buffer)
            {
                to.Write(segment.Span);
            }

            Count(isUp, read.Buffer.Length);
            SafePipe.Advance(from, read, read.Buffer.End, read.Buffer.End);
            if (!await SafePipe.FlushAsync(to) || SafePipe.WasReset(read))
            {
                Cut(); // nobody takes or gives the bytes any more: the other side must learn it
                return;
            }

            if (read.IsCompleted)
            {
                break;
            }
        }

        // A completed flush has left for the kernel (the transport buffers nothing), so no byte is cut off here.
        ShutdownSend(isUp ? upstream.Socket : down.Features.Get<IConnectionSocketFeature>()?.Socket);
    }

    private void Count(bool isUp, long bytes)
    {
        Volatile.Write(ref _lastActivity, _time.GetTimestamp());
        _ = isUp ? _bytesUp += bytes : _bytesDown += bytes;
    }

    private ITimer? Watch(long startedAt, TimeSpan idleTimeout, TimeSpan? maxDuration)
    {
        TimeSpan idle = idleTimeout > TimeSpan.Zero ? idleTimeout : TimeSpan.MaxValue;
        TimeSpan age = maxDuration ?? TimeSpan.MaxValue;
        if (idle == TimeSpan.MaxValue && age == TimeSpan.MaxValue)
        {
            return null;
        }

        ITimer? timer = null;
        timer = _time.CreateTimer(_ => Check(), null, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        Check();
        return timer;

        void Check()
        {
            TimeSpan idleLeft = idle == TimeSpan.MaxValue ? idle : idle - _time.GetElapsedTime(Volatile.Read(ref _lastActivity));
            TimeSpan ageLeft = age == TimeSpan.MaxValue ? age : age - _time.GetElapsedTime(startedAt);
            TimeSpan left = idleLeft < ageLeft ? idleLeft : ageLeft;
            if (left <= TimeSpan.Zero)
            {
                _isTooOld = ageLeft <= TimeSpan.Zero;
                Cut();
                return;
            }

            TimeSpan longest = TimeSpan.FromDays(30); // timers have a limit
            timer!.Change(left < longest ? left + TimeSpan.FromMilliseconds(1) : longest, Timeout.InfiniteTimeSpan);
        }
    }

    private void Cut()
    {
        _isCut = true;
        upstream.Abort();
        down.Abort(new ConnectionAbortedException("The relay has ended."));
    }

    private static void ShutdownSend(Socket? socket)
    {
        try
        {
            socket?.Shutdown(SocketShutdown.Send);
        }
        catch (Exception gone) when (gone is SocketException or ObjectDisposedException)
        {
            // The other side has closed already.
        }
    }
}
