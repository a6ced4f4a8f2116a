using System.Diagnostics.CodeAnalysis;
using System.IO.Pipelines;
using Mesh.Proxy.Infrastructure;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Http.Features;

namespace Mesh.Proxy.AsyncReplies;

/// <summary>
/// A client connection in memory, for one request that must outlive the connection it came on: the proxy serves it as any other, and whoever made it reads the answer.
/// Lives on the loop of the request's own connection.
/// </summary>
internal sealed class CallConnection : ConnectionContext, IDuplexPipe, ILoopFeature
{
    private const int WindowBytes = 64 * 1024; // of an answer that its reader does not take
    private readonly Pipe _request;
    private readonly Pipe _answer;

    [SuppressMessage("Usage", "CA2213", Justification = "Has no timer and no handle; disposing it could race with an abort.")]
    private readonly CancellationTokenSource _closed = new();

    private readonly PipeScheduler _loop;
    private readonly AsyncReplyStore _store;
    private volatile bool _isAborted;
    private long _reserved;

    /// <param name="client">The connection that the request came on.</param>
    /// <param name="loop">Its loop; null on a transport without.</param>
    /// <param name="store">Where there is room for the request's body.</param>
    /// <param name="reserved">The room, in bytes; given back when the connection is disposed.</param>
    public CallConnection(ConnectionContext client, PipeScheduler? loop, AsyncReplyStore store, long reserved)
    {
        (_store, _reserved) = (store, reserved);
        _loop = loop ?? PipeScheduler.Inline;
        _request = new Pipe(Options(0)); // all of it is written before anybody reads, into room that is reserved
        _answer = new Pipe(Options(WindowBytes));
        LocalEndPoint = client.LocalEndPoint;
        RemoteEndPoint = client.RemoteEndPoint;
        ConnectionClosed = _closed.Token;
        if (loop is not null)
        {
            Features.Set<ILoopFeature>(this);
        }
    }

    /// <summary>Takes the request.</summary>
    public PipeWriter Request => _request.Writer;

    /// <summary>Gives the answer; it ends with an exception when the proxy cut it off.</summary>
    public PipeReader Answer => _answer.Reader;

    PipeReader IDuplexPipe.Input => _request.Reader;

    PipeWriter IDuplexPipe.Output => _answer.Writer;

    /// <inheritdoc/>
    public override IDuplexPipe Transport { get => this; set => throw new NotSupportedException(); }

    /// <inheritdoc/>
    public override CancellationToken ConnectionClosed { get; set; }

    /// <inheritdoc/>
    public override string ConnectionId { get; set; } = "async";

    /// <inheritdoc/>
    public override IFeatureCollection Features { get; } = new FeatureCollection();

    /// <inheritdoc/>
    public override IDictionary<object, object?> Items { get; set; } = new Dictionary<object, object?>();

    PipeScheduler ILoopFeature.Loop => _loop;

    bool ILoopFeature.IsOnLoop => true; // it is made and served there

    void ILoopFeature.Begin()
    {
    }

    ValueTask ILoopFeature.MoveToAsync(PipeScheduler loop) => throw new NotSupportedException();

    /// <summary>The caller has gone, or the drain's time is over: ends the call. Any thread.</summary>
    public override void Abort(ConnectionAbortedException abortReason)
    {
        _isAborted = true;
        _closed.Cancel();
    }

    /// <inheritdoc/>
    public override async ValueTask DisposeAsync()
    {
        _store.Release(Interlocked.Exchange(ref _reserved, 0));
        await _request.Reader.CompleteAsync();
        await _answer.Writer.CompleteAsync(_isAborted ? new ConnectionAbortedException() : null); // else half of an answer would pass for the whole
        await base.DisposeAsync();
    }

    private PipeOptions Options(long window) => new(
        readerScheduler: _loop, writerScheduler: _loop, pauseWriterThreshold: window, resumeWriterThreshold: window / 2, useSynchronizationContext: false);
}
