namespace Mesh.ControlPlane.Certificates;

/// <summary>
/// The roots of a certificate that was given, from a file. Read again when it changed, so roots can be replaced without a restart; while it cannot be read, the last
/// text holds. Thread-safe.
/// </summary>
/// <param name="path">PEM file.</param>
internal sealed class RootFile(string path)
{
    private readonly Lock _gate = new();
    private DateTime _changed;
    private string? _text;

    /// <summary>The text now; null as long as there was none.</summary>
    public string? Read()
    {
        lock (_gate)
        {
            return ReadLocked();
        }
    }

    private string? ReadLocked()
    {
        try
        {
            DateTime changed = File.GetLastWriteTimeUtc(path);
            if (changed != _changed && File.ReadAllText(path) is { Length: > 0 } text)
            {
                (_text, _changed) = (text, changed);
            }
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            // Being replaced at this instant, or gone: the last text holds.
        }

        return _text;
    }
}
