using System.Buffers;
using System.IO.Compression;
using System.Text;

namespace Mesh.Streams.World;

/// <summary>A push as it was seen.</summary>
/// <param name="Id">Its version.</param>
/// <param name="IsFull">Whether it was a whole set.</param>
/// <param name="Bytes">Its text.</param>
internal readonly record struct SeenPush(string Id, bool IsFull, long Bytes);

/// <summary>Reads events and keeps of each only its id and its size: a thousand whole pushes at once are gigabytes that nobody wants to hold. Used by one stream.</summary>
/// <param name="body">The stream, compressed.</param>
internal sealed class EventReader(Stream body) : IAsyncDisposable
{
    private const int HeadSize = 256; // id, event, mesh, version, full
    private readonly GZipStream _text = new(body, CompressionMode.Decompress);
    private readonly byte[] _buffer = ArrayPool<byte>.Shared.Rent(32 * 1024);
    private readonly byte[] _head = new byte[HeadSize];
    private Memory<byte> _rest;
    private int _headLength;
    private long _bytes;
    private byte _last;

    /// <summary>The next push; null when the stream ended.</summary>
    public async Task<SeenPush?> NextAsync(CancellationToken stop)
    {
        while (true)
        {
            while (_rest.Length > 0)
            {
                if (Take() is { Id.Length: > 0 } push)
                {
                    return push;
                }
            }

            int read = await _text.ReadAsync(_buffer, stop);
            if (read == 0)
            {
                return null;
            }

            _rest = _buffer.AsMemory(0, read);
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _text.DisposeAsync();
        ArrayPool<byte>.Shared.Return(_buffer);
    }

    // Takes what is there up to the blank line that ends an event. A comment is an event without an id.
    private SeenPush? Take()
    {
        Span<byte> rest = _rest.Span;
        int blank = _last == (byte)'\n' && rest[0] == (byte)'\n' ? -1 : rest.IndexOf("\n\n"u8);
        bool isEnd = blank >= 0 || (_last == (byte)'\n' && rest[0] == (byte)'\n');
        int taken = isEnd ? blank + 2 : rest.Length;
        int head = Math.Min(HeadSize - _headLength, taken);
        rest[..head].CopyTo(_head.AsSpan(_headLength));
        (_headLength, _bytes, _last) = (_headLength + head, _bytes + taken, isEnd ? (byte)0 : rest[taken - 1]);
        _rest = _rest[taken..];
        if (!isEnd)
        {
            return null;
        }

        string[] lines = Encoding.UTF8.GetString(_head, 0, _headLength).Split('\n');
        SeenPush seen = new(lines[0].StartsWith("id: ", StringComparison.Ordinal) ? lines[0][4..] : "", lines.Contains("data: full: true"), _bytes);
        (_headLength, _bytes) = (0, 0);
        return seen;
    }
}

/// <summary>Passes a stream on and counts its bytes.</summary>
/// <param name="inner">The stream.</param>
/// <param name="count">Told of them.</param>
internal sealed class CountedStream(Stream inner, Count count) : Stream
{
    public override bool CanRead => true;

    public override bool CanSeek => false;

    public override bool CanWrite => false;

    public override long Length => throw new NotSupportedException();

    public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        int read = await inner.ReadAsync(buffer, cancellationToken);
        count.Add(read);
        return read;
    }

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override void Flush()
    {
    }

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            inner.Dispose();
        }

        base.Dispose(disposing);
    }
}
