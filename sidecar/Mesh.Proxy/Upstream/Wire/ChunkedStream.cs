using System.Globalization;
using System.Text;
using Microsoft.AspNetCore.Connections;

namespace Mesh.Proxy.Upstream.Wire;

/// <summary>
/// The bodies of one endless request and its response as a stream: each write goes out as a chunk, reads give what the chunks of the response hold, or its bytes as
/// they are when it is not chunked. One reader, one writer.
/// </summary>
internal sealed class ChunkedStream(PipeStream below, bool isChunked) : Stream
{
    private const int LongestLine = 1024;
    private const string NotThisWay = "a tunnel is read and written asynchronously, from its beginning to its end";

    private readonly byte[] _one = new byte[1];
    private long _left; // of the chunk
    private bool _isFirst = true;
    private bool _hasEnded;

    public override bool CanRead => true;

    public override bool CanWrite => true;

    public override bool CanSeek => false;

    public override long Length => throw new NotSupportedException(NotThisWay);

    public override long Position
    {
        get => throw new NotSupportedException(NotThisWay);
        set => throw new NotSupportedException(NotThisWay);
    }

    /// <summary>Ends the request's body; the response may go on.</summary>
    public Task EndAsync() => below.WriteAsync("0\r\n\r\n"u8.ToArray()).AsTask();

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        if (buffer.IsEmpty || !isChunked)
        {
            return await below.ReadAsync(buffer, cancellationToken);
        }

        if (_left == 0 && !_hasEnded)
        {
            await NextChunkAsync();
        }

        if (_hasEnded)
        {
            return 0;
        }

        int bytes = await below.ReadAsync(buffer[..(int)Math.Min(buffer.Length, _left)], cancellationToken);
        if (bytes == 0)
        {
            throw new ConnectionResetException("the response ended in the middle of a chunk");
        }

        _left -= bytes;
        return bytes;
    }

    public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        if (!buffer.IsEmpty) // an empty chunk would be the last
        {
            byte[] size = Encoding.ASCII.GetBytes(string.Create(CultureInfo.InvariantCulture, $"{buffer.Length:x}\r\n"));
            byte[] chunk = [.. size, .. buffer.Span, (byte)'\r', (byte)'\n'];
            await below.WriteAsync(chunk, cancellationToken);
        }
    }

    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        WriteAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override Task FlushAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public override void Flush()
    {
        // Each write has left already.
    }

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException(NotThisWay);

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException(NotThisWay);

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException(NotThisWay);

    public override void SetLength(long value) => throw new NotSupportedException(NotThisWay);

    private async ValueTask NextChunkAsync()
    {
        if (!_isFirst && (await ReadLineAsync()).Length > 0)
        {
            throw new ConnectionResetException("a chunk of the response is longer than it says");
        }

        _isFirst = false;
        string line = await ReadLineAsync();
        ReadOnlySpan<char> size = line.AsSpan(0, line.IndexOf(';', StringComparison.Ordinal) is >= 0 and int at ? at : line.Length).Trim();
        if (!long.TryParse(size, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out _left) || _left < 0)
        {
            throw new ConnectionResetException("a chunk of the response has no size");
        }

        _hasEnded = _left == 0; // trailers tell a stream of bytes nothing
    }

    private async ValueTask<string> ReadLineAsync()
    {
        StringBuilder line = new();
        while (await below.ReadAsync(_one) == 1 && line.Length < LongestLine)
        {
            if (_one[0] == (byte)'\n')
            {
                return line.Length > 0 && line[^1] == '\r' ? line.ToString(0, line.Length - 1) : line.ToString();
            }

            line.Append((char)_one[0]);
        }

        throw new ConnectionResetException("the response ended in the head of a chunk");
    }
}
