using System.IO.Pipelines;
using System.Net;
using Mesh.Proxy.Infrastructure;
using Mesh.Proxy.Shadows;
using Mesh.Proxy.Upstream.Wire;
using Mesh.Rules.Snapshots;
using Microsoft.AspNetCore.Connections;

namespace Mesh.Proxy.Upstream;

/// <summary>One socket to an endpoint, rented for one stream at a time (HTTP/1.1, TCP).</summary>
public sealed class UpstreamConnection
{
    /// <summary>What is said of a connection that could not be made because of a bug, which is counted and logged elsewhere.</summary>
    internal const string OpenBug = "internal error";

    /// <summary>Longest wait for the last bytes of a closing connection to leave; then it is cut off.</summary>
    private static readonly TimeSpan LingerTime = TimeSpan.FromSeconds(5);

    private readonly Cluster _cluster;
    private readonly TimeSpan _connectTimeout;
    private readonly TcpKeepaliveConfig? _keepalive;
    private readonly BorrowedEndPoint? _borrowed; // dialled instead of the endpoint's own address: the same place, in the client's name
    private readonly UpstreamWire? _wire; // null: a connected socket is all that is wanted
    private ConnectionContext? _context;
    private ILoopFeature? _place;
    private PooledTimeout? _opening;
    private volatile bool _isOpeningCancelled;
    private volatile bool _isDraining;
    private string? _localAddress;
    private bool _hasMoved;

    internal UpstreamConnection(Cluster cluster, Endpoint endpoint, PipeScheduler? loop, ClientAddresses? client = null)
    {
        ClusterConfig config = cluster.Config;
        Loop = loop;
        Client = client;
        _borrowed = config.UsesOriginalDestination ? client?.Destination as BorrowedEndPoint : null;
        _cluster = cluster;
        _connectTimeout = config.Connection.ConnectTimeout;
        _keepalive = config.Connection.TcpKeepalive;
        _wire = UpstreamWire.IsPlain(config) ? null : new UpstreamWire(UpstreamWire.For(config, endpoint.Address), cluster.TlsFiles, client, cluster.Stats);
        Endpoint = endpoint;
    }

    /// <summary>Bytes to and from the upstream. Only the renter may use it, between rent and release; it must not complete the reader.</summary>
    public IDuplexPipe Transport => Context.Transport;

    /// <summary>The endpoint it leads to.</summary>
    public Endpoint Endpoint { get; }

    /// <summary>True when an earlier stream has used it: a failure before the first response byte may be a stale keep-alive.</summary>
    public bool IsReused => Streams > 1;

    /// <summary>True when no further request may follow: the request should carry <c>connection: close</c> semantics towards the pool.</summary>
    public bool IsDraining
    {
        get => _isDraining;
        internal set => _isDraining = value;
    }

    /// <summary>Local address, cached text.</summary>
    public string LocalAddress => _localAddress ??= Context.LocalEndPoint?.ToString() ?? "";

    /// <summary>The connection below, for what a relay needs. Owned by this object.</summary>
    public ConnectionContext Context => _context ?? throw new InvalidOperationException("the connection has not been made yet");

    /// <summary>Why it broke, in words that a user can act on (TLS: the server refused the certificate); null when there are none.</summary>
    public string? Failure => Context.Features.Get<IConnectionFailureFeature>()?.Failure;

    /// <summary>The one client it is made for; null for whoever comes.</summary>
    internal ClientAddresses? Client { get; }

    /// <summary>Fires when the socket is dead.</summary>
    public CancellationToken Closed => Context.ConnectionClosed;

    /// <summary>Guarded by the cluster's lock, like all that follows.</summary>
    internal ConnectionState State { get; set; } = ConnectionState.Connecting;

    /// <summary>Event loop of the stream that has it or had it last; null without loops.</summary>
    internal PipeScheduler? Loop { get; set; }

    /// <summary>False while it still lives on another loop than <see cref="Loop"/>.</summary>
    internal bool IsHome => _place is null || _place.Loop == Loop;

    /// <summary>Streams attached so far.</summary>
    internal uint Streams { get; set; }

    /// <summary>The transport said that the connection is dead.</summary>
    internal bool IsDead { get; set; }

    /// <summary>When it is closed if still idle.</summary>
    internal long IdleDeadline { get; set; } = long.MaxValue;

    /// <summary>When it has lived long enough.</summary>
    internal long AgeDeadline { get; set; } = long.MaxValue;

    /// <summary>Its stream under limits in shadow mode; null without them.</summary>
    internal VirtualCall? Shadow { get; set; }

    /// <summary>The connection that would be made at the same time under limits in shadow mode.</summary>
    internal VirtualConnection? Twin { get; set; }

    /// <summary>When it began to be made; null when nobody wants to know.</summary>
    internal long? OpeningSince { get; set; }

    /// <summary>It has a place of a share of connections in shadow mode.</summary>
    internal bool IsInShadowShare { get; set; }

    /// <summary>Its stream has a place of a share of requests in shadow mode.</summary>
    internal bool HasCallInShadowShare { get; set; }

    internal UpstreamConnection? NextToClose { get; set; }

    internal UpstreamConnection? NextToOpen { get; set; }

    /// <summary>
    /// Ends the stream: the connection goes back to the pool if <paramref name="reusable"/>, else it is closed once what was written has left.
    /// Exactly once. A reusable one has no read under way, and its reader stands after the last byte of the response.
    /// </summary>
    /// <exception cref="InvalidOperationException">It carries no stream: released twice.</exception>
    public void Release(bool reusable) => _cluster.Release(this, reusable && IsQuiet());

    /// <summary>
    /// Closes the socket at once; a pending read or write on it ends with <see cref="ConnectionAbortedException"/>. Release(false) must still
    /// be called.
    /// </summary>
    public void Abort() => Context.Abort(new ConnectionAbortedException("The proxy gave the stream up."));

    /// <summary>
    /// False when bytes or the end have arrived that nobody asked for: the next response would be mistaken for them. Only while no stream
    /// reads. Neither blocks nor calls back.
    /// </summary>
    internal bool IsQuiet()
    {
        PipeReader input = Context.Transport.Input;
        if (!SafePipe.TryRead(input, out ReadResult read))
        {
            return true;
        }

        bool quiet = read.Buffer.IsEmpty && !read.IsCompleted; // a left-over wake-up is no byte
        SafePipe.Advance(input, read, read.Buffer.Start, read.Buffer.Start);
        return quiet;
    }

    /// <summary>Moves it to <see cref="Loop"/>; ends there. Only by the renter, before first use.</summary>
    internal ValueTask GoHomeAsync()
    {
        _hasMoved = true;
        return _place!.MoveToAsync(Loop!);
    }

    /// <summary>
    /// False when a kept-alive connection has died in the pool, or has said something there: nothing must be sent on it. One of another loop could not be looked at
    /// when it was chosen. On the connection's loop, by the renter, once, before first use.
    /// </summary>
    internal bool IsStillGood()
    {
        bool looks = _hasMoved;
        _hasMoved = false;
        return !Closed.IsCancellationRequested && (!looks || IsQuiet());
    }

    /// <summary>Takes the transport; under the cluster's lock, when connecting has succeeded.</summary>
    internal void Attach(ConnectionContext context) => (_context, _place) = (context, context.Features.Get<ILoopFeature>());

    /// <summary>Gives up a connection that is still being made; under the cluster's lock. <see cref="StartClosing"/> then stops the connector.</summary>
    internal void CancelOpening() => _isOpeningCancelled = true;

    /// <summary>Connects; outside locks, once.</summary>
    internal void StartOpening() => _cluster.Services.Background.Start("upstream connect", static c => c.OpenAsync(), this);

    /// <summary>Closes; outside locks, once, after <see cref="State"/> became Closing.</summary>
    internal void StartClosing()
    {
        if (_isOpeningCancelled)
        {
            // Still connecting: whoever takes the timeout out of the field may cancel it, the other side leaves it alone.
            Interlocked.Exchange(ref _opening, null)?.Cancel();
            return;
        }

        _cluster.Services.Background.Start("upstream close", static c => c.CloseAsync(), this);
    }

    private async Task OpenAsync()
    {
        PooledTimeout timeout = _cluster.Services.Timeouts.Rent();
        timeout.Arm(_connectTimeout);
        Interlocked.Exchange(ref _opening, timeout);
        if (_isOpeningCancelled)
        {
            Interlocked.Exchange(ref _opening, null)?.Cancel(); // cancelled between its creation and here
        }

        ConnectResult result = new(null, OpenBug);
        try
        {
            result = await MakeAsync(timeout.Token);
        }
        finally
        {
            bool expired = GiveBack(timeout);
            if (result.Connection is null)
            {
                _cluster.OnOpenFailed(this, result.FailureText, expired); // after an exception too: its place among the connections must not be lost
            }
        }

        if (result.Connection is { } context && _cluster.OnOpened(this, context))
        {
            context.ConnectionClosed.UnsafeRegister(static s => ((UpstreamConnection)s!).OnTransportClosed(), this);
        }
    }

    private async ValueTask<ConnectResult> MakeAsync(CancellationToken cancellationToken)
    {
        ClusterServices services = _cluster.Services;
        IPEndPoint[] addresses = Endpoint.Addresses;
        ConnectResult made = _borrowed is not null || addresses.Length == 1
            ? await services.Connector.ConnectAsync(_borrowed ?? addresses[0], _keepalive, Loop, cancellationToken)
            : await new ConnectRace(services, addresses, _keepalive, Loop).RunAsync(cancellationToken);
        if (_wire is null || made.Connection is not { } raw)
        {
            return made;
        }

        bool isPrepared = false;
        try
        {
            made = await _wire.PrepareAsync(raw, cancellationToken);
            isPrepared = true;
            return made;
        }
        finally
        {
            if (!isPrepared)
            {
                await raw.DisposeAsync();
            }
        }
    }

    /// <summary>Connecting is over; true when the time was.</summary>
    private bool GiveBack(PooledTimeout timeout)
    {
        bool expired = timeout.HasExpired;
        if (Interlocked.Exchange(ref _opening, null) is not null)
        {
            timeout.Dispose();
        }
        else
        {
            timeout.Disarm(); // somebody is cancelling it: not for the pool
        }

        return expired;
    }

    private void OnTransportClosed() => _cluster.OnTransportClosed(this);

    /// <summary>Closes the transport and reports it; once.</summary>
    internal async Task CloseAsync()
    {
        ValueTask closing = Context.DisposeAsync();
        if (closing.IsCompleted)
        {
            await closing;
        }
        else
        {
            using PooledTimeout linger = _cluster.Services.Timeouts.Rent();
            linger.Arm(LingerTime);
            using CancellationTokenRegistration cut = linger.Token.UnsafeRegister(static s => ((UpstreamConnection)s!).Abort(), this);
            await closing;
        }

        _cluster.OnClosed(this);
    }
}
