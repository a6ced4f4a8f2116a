using System.Buffers;
using System.IO.Pipelines;
using System.Text.Json;

namespace Mesh.ControlPlane.Kubernetes;

/// <summary>One line of a watch. Whoever gets it disposes it.</summary>
/// <param name="Type">ADDED, MODIFIED, DELETED, BOOKMARK or ERROR.</param>
/// <param name="Line">The whole line.</param>
internal sealed record WatchEvent(string Type, JsonDocument Line) : IDisposable
{
    /// <summary>The object; a Status object for an ERROR, only a resourceVersion for a BOOKMARK.</summary>
    public JsonElement Object => Line.RootElement.Find("object") ?? default;

    /// <inheritdoc/>
    public void Dispose() => Line.Dispose();
}

/// <summary>What the next read of a watch brought: an event, or the end (both null), or the way in which the stream broke.</summary>
internal readonly record struct WatchRead(WatchEvent? Event, ApiFailure? Failure)
{
    /// <summary>The server ended the stream as it always does after a while.</summary>
    public bool IsEnd => Event is null && Failure is null;
}

/// <summary>An open watch: one JSON object a line. Used by one reader.</summary>
internal sealed class WatchStream(HttpResponseMessage answer, Stream body) : IDisposable
{
    private const int LongestLine = 16 * 1024 * 1024; // etcd takes objects up to 1.5 MB

    private readonly PipeReader _lines = PipeReader.Create(body);

    /// <summary>Waits for the next event.</summary>
    public async ValueTask<WatchRead> ReadAsync(CancellationToken stop)
    {
        try
        {
            while (true)
            {
                ReadResult read = await _lines.ReadAsync(stop);
                ReadOnlySequence<byte> buffer = read.Buffer;
                if (buffer.PositionOf((byte)'\n') is { } end)
                {
                    WatchRead result = Parse(buffer.Slice(0, end));
                    _lines.AdvanceTo(buffer.GetPosition(1, end));
                    return result;
                }

                bool isTorn = buffer.Length > 0;
                _lines.AdvanceTo(buffer.Start, buffer.End);
                if (read.IsCompleted || buffer.Length > LongestLine)
                {
                    return isTorn ? Broken("the stream ended inside an event") : default;
                }
            }
        }
        catch (Exception error) when (error is IOException or HttpRequestException)
        {
            return Broken(error.GetBaseException().Message);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _lines.Complete();
        answer.Dispose();
    }

    private static WatchRead Broken(string why) => new(null, ApiFailure.Unreachable(why));

    private static WatchRead Parse(ReadOnlySequence<byte> line)
    {
        try
        {
            JsonDocument document = JsonDocument.Parse(line.ToArray()); // the pipe takes its memory back
            return new WatchRead(new WatchEvent(document.RootElement.Text("type"), document), null);
        }
        catch (JsonException error)
        {
            return Broken($"an event is no JSON: {error.Message}");
        }
    }
}
