using System.Buffers;
using System.IO.Pipelines;
using Mesh.Proxy.Http;
using Mesh.Proxy.Infrastructure;
using Mesh.Proxy.Telemetry;
using Mesh.Proxy.Upstream;
using Mesh.Rules.Snapshots;
using Microsoft.AspNetCore.Connections;

namespace Mesh.Proxy.Tcp;

/// <summary>How a relay ended.</summary>
/// <param name="BytesUp">Bytes from the client to the upstream.</param>
/// <param name="BytesDown">Bytes from the upstream to the client.</param>
/// <param name="Flag">DT when the duration limit ended it, UT when the upstream took no byte for too long, else none.</param>
internal readonly record struct RelayResult(long BytesUp, long BytesDown, ResponseFlag Flag);

/// <summary>
/// Bytes both ways between a client and a rented upstream connection until both sides have ended: one side's end is passed on as such (half-close), the other may
/// go on. One timer watches idleness and age, another the upstream where a rule limits how long it may take nothing. Used once.
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
    /// <param name="upstreams">Whose limits hold: longest silence of both sides, longest life, longest time in which the upstream takes no byte.</param>
    public async Task<RelayResult> RunAsync(Cluster upstreams)
    {
        ClusterConfig cluster = upstreams.Config;
        long startedAt = _lastActivity = _time.GetTimestamp();
        using ITimer? watch = Watch(startedAt, cluster.Connection.TcpIdleTimeout, cluster.Connection.MaxConnectionDuration);
        bool isCut = cluster.WriteTimeout > TimeSpan.Zero;
        using WriteWatch? write = isCut ? new WriteWatch(_time, cluster.WriteTimeout, static r => ((TcpRelay)r).Cut(), this)
            : cluster.Shadow is { WriteTimeout.Ticks: > 0 } shadow ? new WriteWatch(_time, shadow.WriteTimeout, static c => ((Cluster)c).CountShadowWriteTimeout(), upstreams) : null;
        using CancellationTokenRegistration cutOff = context.CutOff.UnsafeRegister(static r => ((TcpRelay)r!).Cut(), this);
        Task up = PumpAsync(down, upstream.Context, isUp: true, write);
        await PumpAsync(upstream.Context, down, isUp: false, null);
        await up;
        return new RelayResult(_bytesUp, _bytesDown, _isTooOld ? ResponseFlag.DT : isCut && write!.HasPassed ? ResponseFlag.UT : ResponseFlag.None);
    }

    private async Task PumpAsync(ConnectionContext from, ConnectionContext to, bool isUp, WriteWatch? watch)
    {
        bool endedInOrder = from.Features.Get<ITunnelFeature>()?.TryPump(to, isUp ? CountUp : CountDown, watch) is { } tunnel
            ? await tunnel
            : await PumpAsync(from.Transport.Input, to.Transport.Output, isUp, watch);
        if (endedInOrder)
        {
            ConnectionFeatures.EndSending(to); // a completed flush has left for the kernel (no transport buffers), so no byte is cut off here
        }
        else
        {
            Cut(); // nobody takes or gives the bytes any more: the other side must learn it
        }
    }

    /// <summary>The same through our own memory. False when one of the two has broken.</summary>
    private async Task<bool> PumpAsync(PipeReader from, PipeWriter to, bool isUp, WriteWatch? watch)
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
            ValueTask<bool> flush = SafePipe.FlushAsync(to);
            if (watch is not null && !flush.IsCompleted)
            {
                watch.Begin();
            }

            if (!await flush || SafePipe.WasReset(read))
            {
                return false;
            }

            watch?.End();

            if (read.IsCompleted)
            {
                return true;
            }
        }

        return false;
    }

    private void CountUp(long bytes) => Count(isUp: true, bytes);

    private void CountDown(long bytes) => Count(isUp: false, bytes);

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
}
