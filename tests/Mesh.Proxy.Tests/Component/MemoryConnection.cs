using System.IO.Pipelines;
using System.Net;
using System.Text;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Http.Features;

namespace Mesh.Proxy.Tests.Component;

/// <summary>
/// A connection in memory: the proxy holds the <see cref="ConnectionContext"/>, the test plays the peer. Everything runs inline, so when a
/// call of the test returns, the proxy has done all it can do. Ends like Kestrel's sockets: the peer's end fires <see cref="ConnectionClosed"/>,
/// a reset makes reads throw, after an abort writes are lost.
/// </summary>
internal sealed class MemoryConnection : ConnectionContext
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);
    private readonly Lock _gate = new();
    private readonly Pipe _toProxy = new(Inline(0));
    private readonly Pipe _fromProxy;
    private readonly CancellationTokenSource _closed = new();
    private bool _isReading;
    private bool _isEnded;

    /// <param name="windowBytes">Bytes that the proxy can write before it must wait for the test to read; 0 never waits.</param>
    public MemoryConnection(long windowBytes = 0)
    {
        _fromProxy = new Pipe(Inline(windowBytes));
        Transport = new Duplex(_toProxy.Reader, _fromProxy.Writer);
        ConnectionClosed = _closed.Token;
        RemoteEndPoint = new IPEndPoint(IPAddress.Loopback, 50_000);
        LocalEndPoint = new IPEndPoint(IPAddress.Loopback, 15_001);
    }

    public bool IsAborted { get; private set; }

    public bool IsDisposed { get; private set; }

    public override IDuplexPipe Transport { get; set; }

    public override CancellationToken ConnectionClosed { get; set; }

    public override string ConnectionId { get; set; } = "memory";

    public override IFeatureCollection Features { get; } = new FeatureCollection();

    public override IDictionary<object, object?> Items { get; set; } = new Dictionary<object, object?>();

    public Task SendAsync(string text) => SendAsync(Encoding.Latin1.GetBytes(text));

    public async Task SendAsync(ReadOnlyMemory<byte> bytes) => await _toProxy.Writer.WriteAsync(bytes);

    /// <summary>The peer ends its sending side; the transport takes that for the end, as Kestrel's does.</summary>
    public void End()
    {
        _toProxy.Writer.Complete();
        _closed.Cancel();
    }

    /// <summary>The peer resets.</summary>
    public void Reset()
    {
        ConnectionResetException reset = new("reset by peer");
        _toProxy.Writer.Complete(reset);
        EndOutput(reset);
        _closed.Cancel();
    }

    /// <summary>Text up to the empty line that ends a head, that line included.</summary>
    public Task<string> ReadHeadAsync() => ReadUntilAsync("\r\n\r\n");

    /// <summary>Text up to <paramref name="end"/>, included; what there is when the proxy ends the connection before.</summary>
    public Task<string> ReadUntilAsync(string end) =>
        ReadAsync(buffer => buffer.IndexOf(end, StringComparison.Ordinal) is >= 0 and int at ? at + end.Length : -1);

    public Task<string> ReadAsync(int length) =>
        length == 0 ? Task.FromResult("") : ReadAsync(buffer => buffer.Length >= length ? length : -1);

    /// <summary>All that comes until the proxy ends the connection.</summary>
    public Task<string> ReadToEndAsync() => ReadAsync(static _ => -1);

    /// <summary>What is there now, without waiting.</summary>
    public string ReadAvailable()
    {
        if (!_fromProxy.Reader.TryRead(out ReadResult read))
        {
            return "";
        }

        string text = Encoding.Latin1.GetString(read.Buffer);
        _fromProxy.Reader.AdvanceTo(read.Buffer.End);
        return text;
    }

    public override void Abort(ConnectionAbortedException abortReason)
    {
        if (IsAborted)
        {
            return;
        }

        IsAborted = true;
        _toProxy.Writer.Complete(abortReason);
        EndOutput(abortReason);
        _closed.Cancel();
    }

    public override async ValueTask DisposeAsync()
    {
        IsDisposed = true;
        await Transport.Input.CompleteAsync();
        await Transport.Output.CompleteAsync();
        await _closed.CancelAsync();
        await base.DisposeAsync();
    }

    private static PipeOptions Inline(long window) => new(
        readerScheduler: PipeScheduler.Inline, writerScheduler: PipeScheduler.Inline, pauseWriterThreshold: window,
        resumeWriterThreshold: window / 2, useSynchronizationContext: false);

    private async Task<string> ReadAsync(Func<string, int> lengthOf)
    {
        while (true)
        {
            lock (_gate)
            {
                if (_isEnded)
                {
                    return "";
                }

                _isReading = true;
            }

            ReadResult read = await _fromProxy.Reader.ReadAsync().AsTask().WaitAsync(Patience);
            string text = Encoding.Latin1.GetString(read.Buffer);
            int length = lengthOf(text);
            bool isLast = length >= 0 || read.IsCompleted || IsAborted;
            length = length >= 0 ? length : text.Length;
            _fromProxy.Reader.AdvanceTo(isLast ? read.Buffer.GetPosition(length) : read.Buffer.Start, isLast ? read.Buffer.GetPosition(length) : read.Buffer.End);
            lock (_gate)
            {
                _isReading = false;
                if (_isEnded)
                {
                    _fromProxy.Reader.Complete(new ConnectionAbortedException());
                }
            }

            if (isLast)
            {
                return text[..length];
            }
        }
    }

    private void EndOutput(Exception reason)
    {
        lock (_gate)
        {
            if (_isEnded)
            {
                return;
            }

            _isEnded = true;
            if (!_isReading)
            {
                _fromProxy.Reader.Complete(reason);
                return;
            }
        }

        _fromProxy.Reader.CancelPendingRead(); // the test reads just now: it completes its own side
    }

    private sealed class Duplex(PipeReader input, PipeWriter output) : IDuplexPipe
    {
        public PipeReader Input => input;

        public PipeWriter Output => output;
    }
}
