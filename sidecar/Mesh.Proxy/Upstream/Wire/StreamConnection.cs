using System.Diagnostics.CodeAnalysis;
using System.IO.Pipelines;
using System.Net;
using System.Security.Authentication;
using System.Security.Cryptography;
using Mesh.Proxy.Infrastructure;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Http.Features;

namespace Mesh.Proxy.Upstream.Wire;

/// <summary>
/// A connection whose bytes pass through a stream (TLS, a tunnel) that stands over another connection. Two pumps, on the event loop of the connection below, move
/// them between the stream and two pipes. One reads all the time, so that the end and stray bytes of an idle connection are seen, and holds no buffer while it
/// waits. The user of the pipes may move to another loop: the connection below stays where it is. A flush waits while more than <see cref="MostUnsent"/> bytes have
/// not left: if it waited for the last byte, the answer could come before the word that all was sent, and would look like one that overtakes its request.
/// </summary>
internal sealed class StreamConnection : ConnectionContext, IDuplexPipe, ILoopFeature, IHalfCloseFeature, IConnectionFailureFeature
{
    private const int RecordBytes = 16 * 1024; // most that a TLS record holds
    private const int MostUnsent = 64 * 1024;

    private readonly ConnectionContext _below;
    private readonly Stream _stream;
    private readonly Func<Task> _endSending;
    private readonly Func<Exception, string?> _describe;
    private readonly ILoopFeature? _home;
    private readonly WireScheduler _user;
    private readonly Pipe _received;
    private readonly Pipe _toSend;

    [SuppressMessage("Usage", "CA2213", Justification = "Has no timer and no handle; disposing it would race with those who look at its token.")]
    private readonly CancellationTokenSource _closed = new();

    private readonly FeatureCollection _features = new(3);
    private readonly Task _receiving;
    private readonly Task _sending;
    private IDictionary<object, object?>? _items;

    /// <summary>Takes over both and starts the pumps; on the loop of <paramref name="below"/>, if it has one.</summary>
    /// <param name="below">Connection that the stream reads and writes.</param>
    /// <param name="stream">The stream; its reads end when <paramref name="below"/> is disposed.</param>
    /// <param name="endSending">Tells the peer that no more comes; the other direction goes on.</param>
    /// <param name="describe">Words for a failure of the stream that a user can act on; null when there are none.</param>
    public StreamConnection(ConnectionContext below, Stream stream, Func<Task> endSending, Func<Exception, string?> describe)
    {
        (_below, _stream, _endSending, _describe) = (below, stream, endSending, describe);
        _home = below.Features.Get<ILoopFeature>();
        WireScheduler pumps = new(_home);
        _user = new WireScheduler(_home);
        _received = new Pipe(new PipeOptions(
            readerScheduler: _user, writerScheduler: pumps, minimumSegmentSize: RecordBytes, useSynchronizationContext: false));
        _toSend = new Pipe(new PipeOptions(
            readerScheduler: pumps, writerScheduler: _user, pauseWriterThreshold: MostUnsent, resumeWriterThreshold: MostUnsent / 2, minimumSegmentSize: RecordBytes,
            useSynchronizationContext: false));
        if (_home is not null)
        {
            _features.Set<ILoopFeature>(this);
        }

        _features.Set<IHalfCloseFeature>(this);
        _features.Set<IConnectionFailureFeature>(this);
        _receiving = ReceiveAsync();
        _sending = SendAsync();
    }

    public string? Failure { get; private set; }

    public PipeReader Input => _received.Reader;

    public PipeWriter Output => _toSend.Writer;

    public override IDuplexPipe Transport
    {
        get => this;
        set => throw new NotSupportedException("the pipes of a connection cannot be replaced");
    }

    public override string ConnectionId
    {
        get => _below.ConnectionId;
        set => _below.ConnectionId = value;
    }

    public override IFeatureCollection Features => _features;

    public override IDictionary<object, object?> Items
    {
        get => _items ??= new ConnectionItems();
        set => _items = value;
    }

    public override EndPoint? LocalEndPoint
    {
        get => _below.LocalEndPoint;
        set => _below.LocalEndPoint = value;
    }

    public override EndPoint? RemoteEndPoint
    {
        get => _below.RemoteEndPoint;
        set => _below.RemoteEndPoint = value;
    }

    /// <summary>Fires when the peer has ended or the connection is broken, and after an abort.</summary>
    public override CancellationToken ConnectionClosed
    {
        get => _closed.Token;
        set => throw new NotSupportedException("the life of a connection cannot be replaced");
    }

    PipeScheduler ILoopFeature.Loop => _user.Loop!;

    bool ILoopFeature.IsOnLoop => _user.Loop == _home!.Loop && _home.IsOnLoop;

    public void Begin()
    {
        // The pumps have begun.
    }

    public ValueTask MoveToAsync(PipeScheduler loop)
    {
        _user.Loop = loop;
        return default;
    }

    public void EndSending() => _toSend.Writer.Complete();

    /// <summary>Cuts the connection below; reads and flushes that wait end.</summary>
    public override void Abort(ConnectionAbortedException abortReason) => _below.Abort(abortReason);

    /// <summary>Sends what was flushed, tells the end, closes.</summary>
    [SuppressMessage("Usage", "CA2215", Justification = "The base class has nothing to dispose.")]
    public override async ValueTask DisposeAsync()
    {
        await _toSend.Writer.CompleteAsync();
        try
        {
            await _sending;
        }
        finally
        {
            await _received.Reader.CompleteAsync(); // a pump that waits for room ends
            await _below.DisposeAsync();            // one that waits for bytes, too
        }

        await _receiving;
        await _stream.DisposeAsync();
    }

    [SuppressMessage("Reliability", "CA2022", Justification = "A read into nothing waits for bytes and gives none.")]
    private async Task ReceiveAsync()
    {
        Exception? reset = null;
        try
        {
            bool goesOn = true;
            while (goesOn)
            {
                await _stream.ReadAsync(Memory<byte>.Empty); // waits without a buffer
                int bytes = await _stream.ReadAsync(_received.Writer.GetMemory(RecordBytes));
                _received.Writer.Advance(bytes);
                goesOn = bytes > 0 && !(await _received.Writer.FlushAsync()).IsCompleted;
            }
        }
        catch (Exception failure) when (IsFailure(failure))
        {
            Failure = _describe(failure);
            reset = new ConnectionResetException(Failure ?? failure.Message, failure);
        }

        await _received.Writer.CompleteAsync(reset);
        Tell();
    }

    // Not CancelAsync: what follows stays on the loop.
    private void Tell() => _closed.Cancel();

    private async Task SendAsync()
    {
        try
        {
            bool goesOn = true;
            while (goesOn)
            {
                ReadResult read = await _toSend.Reader.ReadAsync();
                foreach (ReadOnlyMemory<byte> segment in read.Buffer)
                {
                    await _stream.WriteAsync(segment);
                }

                _toSend.Reader.AdvanceTo(read.Buffer.End);
                goesOn = !read.IsCompleted;
            }

            await _endSending();
        }
        catch (Exception failure) when (IsFailure(failure))
        {
            // The peer is gone: whoever writes learns it from the completed pipe, whoever reads from the other pump.
        }

        await _toSend.Reader.CompleteAsync();
    }

    private static bool IsFailure(Exception failure) =>
        failure is IOException or AuthenticationException or CryptographicException or ObjectDisposedException or InvalidOperationException;
}
