using Mesh.Rules.Wire;
using Microsoft.Extensions.Logging;

namespace Mesh.Sidecar.Control;

/// <summary>How a push is written as text and read back; the wire and the state folder use the same form.</summary>
/// <param name="Write">The <c>data</c> of the event.</param>
/// <param name="Read">The push of an event; null when the text cannot be read.</param>
internal sealed record PushCodec(Func<PushMessage, string> Write, Func<string, string, PushMessage?> Read);

/// <summary>
/// The last good state on disk: its version on the first line, then the push as on the wire. Replaced whole (temporary file, fsync,
/// rename), so that it is readable after a crash at any instant.
/// </summary>
internal sealed partial class LastGoodFile(string folder, PushCodec codec, ILogger<LastGoodFile> logger)
{
    private readonly string _path = Path.Combine(folder, "last-good.yaml");

    /// <summary>Writes <paramref name="push"/>. A disk that refuses is logged; the sidecar goes on.</summary>
    public void Save(PushMessage push)
    {
        string temporary = _path + ".tmp";
        try
        {
            Directory.CreateDirectory(folder);
            using (FileStream file = new(temporary, FileMode.Create, FileAccess.Write))
            {
                using StreamWriter text = new(file, leaveOpen: true);
                text.Write($"# version {push.Version}\n{codec.Write(push)}");
                text.Flush();
                file.Flush(flushToDisk: true);
            }

            File.Move(temporary, _path, overwrite: true);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            LogNotSaved(_path, error.Message);
        }
    }

    /// <summary>Reads what <see cref="Save"/> wrote; null when there is nothing, or nothing readable.</summary>
    public PushMessage? Load()
    {
        try
        {
            string text = File.ReadAllText(_path);
            int end = text.IndexOf('\n', StringComparison.Ordinal);
            string version = end < 0 ? "" : text[..end].Replace("# version ", "", StringComparison.Ordinal);
            PushMessage? push = end < 0 ? null : codec.Read(version, text[(end + 1)..]);
            if (push is null)
            {
                LogUnreadable(_path);
            }

            return push;
        }
        catch (Exception error) when (error is FileNotFoundException or DirectoryNotFoundException)
        {
            return null;
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            LogUnreadable(_path);
            return null;
        }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "The last good rules cannot be kept in {Path}: {Reason}")]
    private partial void LogNotSaved(string path, string reason);

    [LoggerMessage(Level = LogLevel.Warning, Message = "{Path} cannot be read; the sidecar waits for the control plane")]
    private partial void LogUnreadable(string path);
}
