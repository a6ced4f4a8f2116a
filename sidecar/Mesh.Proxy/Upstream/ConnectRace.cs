using System.Diagnostics.CodeAnalysis;
using System.IO.Pipelines;
using System.Net;
using Mesh.Rules.Snapshots;

namespace Mesh.Proxy.Upstream;

/// <summary>
/// One connection to a host with several addresses (happy eyeballs, RFC 8305): the next address is tried when the last attempt has failed, or has taken
/// <see cref="AttemptDelay"/>; the first that connects wins, the others are closed. Used once; thread-safe. The addresses come in the order in which they are tried.
/// </summary>
[SuppressMessage("Design", "CA1001", Justification = "The source has no timer and no handle, and losing attempts look at it after the end.")]
internal sealed class ConnectRace(ClusterServices services, IPEndPoint[] addresses, TcpKeepaliveConfig? keepalive, PipeScheduler? loop)
{
    /// <summary>Head start of an attempt over the next: Envoy's.</summary>
    public static readonly TimeSpan AttemptDelay = TimeSpan.FromMilliseconds(300);

    private readonly Lock _gate = new();
    private readonly CancellationTokenSource _stop = new();
    private readonly TaskCompletionSource<ConnectResult> _result = new(); // completed where an attempt ended: inline is what we want
    private ITimer? _timer;
    private int _next;
    private int _running;
    private bool _isOver;

    /// <summary>Connects. Once.</summary>
    public async ValueTask<ConnectResult> RunAsync(CancellationToken cancellationToken)
    {
        using CancellationTokenRegistration registration = cancellationToken.UnsafeRegister(static r => ((ConnectRace)r!)._stop.Cancel(), this);
        using ITimer timer = services.Runtime.Time.CreateTimer(static r => ((ConnectRace)r!).StartNext(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        _timer = timer;
        StartNext();
        return await _result.Task;
    }

    private void StartNext()
    {
        IPEndPoint? address;
        lock (_gate)
        {
            address = TakeNextLocked();
        }

        Start(address);
    }

    /// <summary>The next address, counted as running; null when there is none or nobody wants the connection any more. The first is always tried, so that the race has an end.</summary>
    private IPEndPoint? TakeNextLocked()
    {
        if (_isOver || _next == addresses.Length || (_next > 0 && _stop.IsCancellationRequested))
        {
            return null;
        }

        _running++;
        IPEndPoint address = addresses[_next++];
        _timer!.Change(_next == addresses.Length ? Timeout.InfiniteTimeSpan : AttemptDelay, Timeout.InfiniteTimeSpan);
        return address;
    }

    private void Start(IPEndPoint? address)
    {
        if (address is not null)
        {
            services.Background.Start("connect attempt", static a => a.Race.AttemptAsync(a.Address), (Race: this, Address: address));
        }
    }

    private async Task AttemptAsync(IPEndPoint address)
    {
        ConnectResult result = new(null, UpstreamConnection.OpenBug);
        try
        {
            result = await services.Connector.ConnectAsync(address, keepalive, loop, _stop.Token);
        }
        finally
        {
            if (!TryEnd(result) && result.Connection is { } late)
            {
                await late.DisposeAsync();
            }
        }
    }

    /// <summary>An attempt is over. False when the race was already.</summary>
    private bool TryEnd(in ConnectResult result)
    {
        IPEndPoint? next;
        lock (_gate)
        {
            _running--;
            if (_isOver)
            {
                return false;
            }

            next = result.Connection is null ? TakeNextLocked() : null;
            _isOver = result.Connection is not null || _running == 0;
            if (!_isOver && next is null)
            {
                return true; // others still run
            }
        }

        if (next is not null)
        {
            Start(next);
            return true;
        }

        _stop.Cancel();
        _result.SetResult(result);
        return true;
    }
}
