using System.Buffers;
using System.IO.Pipelines;
using System.Runtime.CompilerServices;
using Mesh.Proxy.Http;
using Mesh.Proxy.Infrastructure;
using Microsoft.AspNetCore.Connections;

namespace Mesh.Proxy.Http1;

/// <summary>
/// The keep-alive loop of one client connection: wait, exchange, and again. Requests that a client pipelines are answered in order. While it waits it holds
/// neither buffers nor an exchange.
/// </summary>
internal sealed class Http1ServerConnection
{
    private readonly ProxyContext _context;
    private readonly ExchangePool _exchanges;
    private volatile Http1Exchange? _exchange;
    private volatile bool _isStopping;
    private int _requests;

    /// <param name="connection">The client; whoever made it disposes it.</param>
    /// <param name="side">Where it came in.</param>
    /// <param name="context">What all connections share.</param>
    /// <param name="exchanges">Where exchanges are borrowed.</param>
    public Http1ServerConnection(ConnectionContext connection, ListenerSide side, ProxyContext context, ExchangePool exchanges)
    {
        Connection = connection;
        Side = side;
        _context = context;
        _exchanges = exchanges;
        Loop = connection.Features.Get<ILoopFeature>()?.Loop;
        Deadline = new Deadline(context.Runtime.Time, static s => ((Http1ServerConnection)s).OnDeadline(), this);
        (LocalAddress, RemoteAddress) = context.Sink.WantsText
            ? ((side.Destination ?? connection.LocalEndPoint)?.ToString(), connection.RemoteEndPoint?.ToString()) : (null, null);
    }

    /// <summary>The client.</summary>
    public ConnectionContext Connection { get; }

    /// <summary>Where it came in.</summary>
    public ListenerSide Side { get; }

    /// <summary>Event loop it lives on; null on a transport without.</summary>
    public PipeScheduler? Loop { get; }

    /// <summary>The one deadline of the connection: for the next request, its head, or the next bytes of an exchange, whichever is waited for.</summary>
    public Deadline Deadline { get; }

    /// <summary>When the first byte of the request in progress was there.</summary>
    public long ArrivedAt { get; private set; }

    /// <summary>Text of the local address; null when nobody wants text.</summary>
    public string? LocalAddress { get; }

    /// <summary>Text of the client's address; null when nobody wants text.</summary>
    public string? RemoteAddress { get; }

    /// <summary>True when the request in progress must be the last. Asked once an answer, when its head is written.</summary>
    public bool IsLast
    {
        get
        {
            int most = _context.Limits.MaxRequestsPerConnection;
            return _isStopping || _context.Drains(Side) || (most > 0 && _requests >= most);
        }
    }

    /// <summary>Serves until the client, a limit or a drain ends it. Never throws for what a peer does.</summary>
    public async Task ProcessAsync()
    {
        try
        {
            bool goesOn = true;
            while (goesOn && await WaitForRequestAsync())
            {
                Http1Exchange exchange = BeginExchange();
                goesOn = EndExchange(exchange, await exchange.RunAsync());
            }

            if (goesOn && Deadline.HasPassed)
            {
                Side.Stats.CxIdleTimeout.Add();
            }

            if (_context.Drains(Side))
            {
                Side.Stats.CxDrainClose.Add();
            }

            await LingeringClose.RunAsync(Connection, _context.Runtime.Time);
        }
        finally
        {
            Deadline.Dispose();
        }
    }

    /// <summary>Ends an idle connection now, a busy one after its request. Any thread.</summary>
    public void Stop()
    {
        _isStopping = true;
        _exchange?.OnStopping();
        Connection.Transport.Input.CancelPendingRead();
    }

    /// <summary>True when the first byte of a request is there, not yet taken.</summary>
    [AsyncMethodBuilder(typeof(PooledMethodBuilder<>))]
    private async ValueTask<bool> WaitForRequestAsync()
    {
        PipeReader input = Connection.Transport.Input;
        long now = _context.Now;
        bool isOpen = Deadline.Set(_context.Limits.Idle, now);
        while (isOpen && !_isStopping)
        {
            if (!SafePipe.TryRead(input, out ReadResult read))
            {
                read = await SafePipe.ReadAsync(input);
                now = _context.Now;
            }

            SequencePosition start = SkipEmptyLines(read.Buffer);
            bool isThere = !read.Buffer.Slice(start).IsEmpty;
            SafePipe.Advance(input, read, start, isThere ? start : read.Buffer.End);
            if (isThere)
            {
                ArrivedAt = now;
                return Deadline.Set(_context.Limits.RequestHeaders, now);
            }

            isOpen = !read.IsCompleted && !Deadline.HasPassed;
        }

        return false;
    }

    private Http1Exchange BeginExchange()
    {
        int most = _context.Limits.MaxRequestsPerConnection;
        if (++_requests == most)
        {
            Side.Stats.CxMaxRequestsReached.Add();
        }

        Http1Exchange exchange = _exchanges.Rent(this);
        _exchange = exchange;
        return exchange;
    }

    private bool EndExchange(Http1Exchange exchange, bool goesOn)
    {
        _exchange = null;
        if (goesOn)
        {
            _exchanges.Return(exchange); // else a deadline that has just passed may still be about to stop it
        }

        return goesOn && !_isStopping; // a body that was being copied may have swallowed the wake-up
    }

    // Some clients send an empty line after a body (RFC 9112, 2.2): it begins no request, so that the time for a head does not run.
    private static SequencePosition SkipEmptyLines(in ReadOnlySequence<byte> buffer)
    {
        if (buffer.FirstSpan is [not (byte)'\r', ..])
        {
            return buffer.Start;
        }

        SequenceReader<byte> reader = new(buffer);
        while (reader.IsNext("\r\n"u8, advancePast: true))
        {
        }

        return reader.Position;
    }

    private void OnDeadline()
    {
        if (_exchange is { } exchange)
        {
            exchange.OnDeadline();
        }

        Connection.Transport.Input.CancelPendingRead();
    }
}
