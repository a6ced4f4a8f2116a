using System.Threading.Channels;

namespace Mesh.Proxy.Telemetry;

/// <summary>
/// Writes a line for each finished request. The request path only formats and queues; a background task writes. When the queue is full
/// the line is dropped and counted: a slow disk never slows a request.
/// </summary>
public sealed class AccessLog : IRequestSink, IAsyncDisposable
{
    private readonly Channel<ReadOnlyMemory<byte>> _lines;
    private readonly AccessLogFormat _format;
    private readonly Stream _output;
    private readonly Task _writing;

    /// <summary>Starts writing to <paramref name="output"/>, which it owns.</summary>
    /// <param name="output">File or standard output.</param>
    /// <param name="format">Text or JSON.</param>
    /// <param name="capacity">Lines that may wait.</param>
    public AccessLog(Stream output, AccessLogFormat format, int capacity = 16384)
    {
        _output = output;
        _format = format;
        _lines = Channel.CreateBounded<ReadOnlyMemory<byte>>(new BoundedChannelOptions(capacity) { SingleReader = true });
        _writing = WriteAsync();
    }

    /// <inheritdoc/>
    public bool WantsText => true;

    /// <summary>Lines dropped because the queue was full or the file could not be written.</summary>
    public StripedCounter Dropped { get; } = new();

    /// <inheritdoc/>
    public void OnFinished(RequestRecord record)
    {
        if (!_lines.Writer.TryWrite(AccessLogLine.Format(record, _format)))
        {
            Dropped.Add();
        }
    }

    /// <inheritdoc/>
    public void OnTcpOpened(RequestRecord record)
    {
        // Istio logs a TCP connection when it ends.
    }

    /// <summary>Writes what is queued and closes the output.</summary>
    public async ValueTask DisposeAsync()
    {
        _lines.Writer.TryComplete();
        await _writing;
        await _output.DisposeAsync();
    }

    private async Task WriteAsync()
    {
        await Task.Yield(); // the constructor returns before the first write
        while (await _lines.Reader.WaitToReadAsync())
        {
            try
            {
                while (_lines.Reader.TryRead(out ReadOnlyMemory<byte> line))
                {
                    await _output.WriteAsync(line);
                }

                await _output.FlushAsync();
            }
            catch (IOException)
            {
                Dropped.Add(); // a full disk: the next line tries again
            }
        }
    }
}
