using Mesh.Rules.Wire;
using Microsoft.Extensions.Logging;

namespace Mesh.Sidecar.Control;

/// <summary>
/// The last good state on disk: the sum of all pushes, in the form of a push on the wire. Replaced whole (temporary file, fsync,
/// rename), so that it is readable after a crash at any instant.
/// </summary>
internal sealed partial class LastGoodFile(string folder, ILogger<LastGoodFile> logger)
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
                text.Write(PushMessageWriter.Write(push));
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
            PushReadResult result = PushMessageReader.Read(File.ReadAllText(_path));
            if (result.Error is { } problem)
            {
                LogUnreadable(_path, problem);
            }

            return result.Message;
        }
        catch (Exception error) when (error is FileNotFoundException or DirectoryNotFoundException)
        {
            return null;
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            LogUnreadable(_path, error.Message);
            return null;
        }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "The last good rules cannot be kept in {Path}: {Reason}")]
    private partial void LogNotSaved(string path, string reason);

    [LoggerMessage(Level = LogLevel.Warning, Message = "{Path} cannot be used, the sidecar waits for the control plane: {Reason}")]
    private partial void LogUnreadable(string path, string reason);
}
