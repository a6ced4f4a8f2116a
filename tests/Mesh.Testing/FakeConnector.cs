using System.IO.Pipelines;
using System.Net;
using Mesh.Proxy.Upstream;
using Mesh.Rules.Snapshots;
using Microsoft.AspNetCore.Connections;

namespace Mesh.Testing;

/// <summary>A connector whose connects end when the test says so, in the order it says. Thread-safe.</summary>
public sealed class FakeConnector : IUpstreamConnector
{
    private readonly Lock _gate = new();
    private readonly List<FakeConnect> _started = [];

    /// <summary>Ends every connect at once with success, for tests about something else.</summary>
    public bool ConnectsAtOnce { get; set; }

    /// <summary>Connects go on whoever gives them up, as one that had just succeeded.</summary>
    public bool IgnoresCancellation { get; set; }

    /// <summary>So many of the next connects throw: a bug of the connector.</summary>
    public int Bugs { get; set; }

    /// <summary>Every connect ever started, oldest first.</summary>
    public IReadOnlyList<FakeConnect> Started
    {
        get
        {
            lock (_gate)
            {
                return [.. _started];
            }
        }
    }

    /// <summary>Connects under way, oldest first.</summary>
    public IReadOnlyList<FakeConnect> Open => [.. Started.Where(static c => !c.IsOver)];

    /// <summary>Connections made and not closed by the proxy.</summary>
    public IReadOnlyList<FakeTransport> Alive => [.. Started.Where(static c => c.Transport is { IsDisposed: false }).Select(static c => c.Transport!)];

    public ValueTask<ConnectResult> ConnectAsync(EndPoint endPoint, TcpKeepaliveConfig? keepalive, PipeScheduler? loop, CancellationToken cancellationToken)
    {
        if (Bugs > 0)
        {
            Bugs--;
            throw new InvalidOperationException("the connector has a bug");
        }

        FakeConnect connect = new(endPoint.ToString()!, keepalive);
        lock (_gate)
        {
            _started.Add(connect);
        }

        if (ConnectsAtOnce)
        {
            connect.Succeed();
        }

        if (!IgnoresCancellation)
        {
            cancellationToken.UnsafeRegister(static s => ((FakeConnect)s!).TryFail("connect cancelled"), connect);
        }

        return new ValueTask<ConnectResult>(connect.Result);
    }
}

/// <summary>One connect.</summary>
public sealed class FakeConnect(string address, TcpKeepaliveConfig? keepalive)
{
    // Synchronous continuations: when Succeed returns, the pool has done its work.
    private readonly TaskCompletionSource<ConnectResult> _result = new();

    public string Address => address;

    public TcpKeepaliveConfig? Keepalive => keepalive;

    public bool IsOver => _result.Task.IsCompleted;

    public FakeTransport? Transport { get; private set; }

    internal Task<ConnectResult> Result => _result.Task;

    public FakeTransport Succeed()
    {
        Transport = new FakeTransport();
        _result.SetResult(new ConnectResult(Transport, null));
        return Transport;
    }

    public void Fail(string text = "Connection refused") => _result.SetResult(new ConnectResult(null, text));

    internal void TryFail(string text) => _result.TrySetResult(new ConnectResult(null, text));
}

/// <summary>A connection in memory; the test plays the upstream.</summary>
public class FakeTransport : ConnectionContext
{
    private readonly Pipe _toProxy = new(new PipeOptions(readerScheduler: PipeScheduler.Inline, writerScheduler: PipeScheduler.Inline));
    private readonly Pipe _toUpstream = new(new PipeOptions(readerScheduler: PipeScheduler.Inline, writerScheduler: PipeScheduler.Inline));
    private readonly CancellationTokenSource _closed = new();
    private readonly TaskCompletionSource _aborted = new(); // synchronous continuations: when Abort returns, the pool has done its work

    public FakeTransport()
    {
        Transport = new DuplexPipe(_toProxy.Reader, _toUpstream.Writer);
        ConnectionClosed = _closed.Token;
    }

    public bool IsDisposed { get; private set; }

    public bool IsAborted { get; private set; }

    /// <summary>As if the peer did not take the last bytes: closing ends only when the connection is aborted.</summary>
    public bool ClosesOnlyByAbort { get; set; }

    public override IDuplexPipe Transport { get; set; }

    public override CancellationToken ConnectionClosed { get; set; }

    public override string ConnectionId { get; set; } = "fake";

    public override Microsoft.AspNetCore.Http.Features.IFeatureCollection Features { get; } = new Microsoft.AspNetCore.Http.Features.FeatureCollection();

    public override IDictionary<object, object?> Items { get; set; } = new Dictionary<object, object?>();

    /// <summary>The upstream sends bytes.</summary>
    public async Task SendAsync(string text) => await _toProxy.Writer.WriteAsync(System.Text.Encoding.ASCII.GetBytes(text));

    /// <summary>The upstream closes and the transport tells at once.</summary>
    public void CloseByPeer()
    {
        CloseSilently();
        _closed.Cancel();
    }

    /// <summary>The upstream closes, but the transport has not told yet.</summary>
    public void CloseSilently() => _toProxy.Writer.Complete();

    public override void Abort(ConnectionAbortedException abortReason)
    {
        IsAborted = true;
        _closed.Cancel();
        _aborted.TrySetResult();
    }

    public override async ValueTask DisposeAsync()
    {
        if (ClosesOnlyByAbort)
        {
            await _aborted.Task;
        }

        IsDisposed = true;
        _closed.Cancel(); // on this thread: closing is over when DisposeAsync returns
        await base.DisposeAsync();
        GC.SuppressFinalize(this);
    }

    private sealed class DuplexPipe(PipeReader input, PipeWriter output) : IDuplexPipe
    {
        public PipeReader Input => input;

        public PipeWriter Output => output;
    }
}
