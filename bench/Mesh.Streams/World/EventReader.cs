using System.Buffers;
using System.IO.Pipelines;
using System.Text;

namespace Mesh.Streams.World;

/// <summary>Reads events and keeps of each only its id and its size: a thousand whole pushes at once are a gigabyte that nobody wants to hold. Used by one stream.</summary>
/// <param name="body">The stream.</param>
internal sealed class EventReader(Stream body) : IAsyncDisposable
{
    private readonly PipeReader _reader = PipeReader.Create(body);
    private string _id = "";
    private bool _isFull;
    private long _bytes;

    /// <summary>The next push; null when the stream ended.</summary>
    public async Task<(string Id, bool IsFull, long Bytes)?> NextAsync(CancellationToken stop)
    {
        while (true)
        {
            ReadResult read = await _reader.ReadAsync(stop);
            ReadOnlySequence<byte> rest = read.Buffer;
            while (rest.PositionOf((byte)'\n') is { } end)
            {
                ReadOnlySequence<byte> line = rest.Slice(0, end);
                rest = rest.Slice(rest.GetPosition(1, end));
                _bytes += line.Length + 1;
                if (Take(line))
                {
                    var push = (_id, _isFull, _bytes);
                    (_id, _isFull, _bytes) = ("", false, 0);
                    _reader.AdvanceTo(rest.Start);
                    return push;
                }
            }

            _reader.AdvanceTo(rest.Start, read.Buffer.End);
            if (read.IsCompleted)
            {
                return null;
            }
        }
    }

    public ValueTask DisposeAsync() => _reader.CompleteAsync();

    // True at the end of an event; comments are none.
    private bool Take(ReadOnlySequence<byte> line)
    {
        if (line.Length == 0)
        {
            return _id.Length > 0;
        }

        if (line.Length < 128)
        {
            Span<byte> text = stackalloc byte[128];
            line.CopyTo(text);
            text = text[..(int)line.Length];
            _id = text.StartsWith("id: "u8) ? Encoding.ASCII.GetString(text[4..]) : _id;
            _isFull |= text.SequenceEqual("data: full: true"u8);
        }

        return false;
    }
}
