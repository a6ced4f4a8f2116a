using Mesh.Rules.Snapshots;

namespace Mesh.Proxy.Upstream.Wire;

/// <summary>
/// The files of a TLS block and what they said last. Files that changed and cannot be used leave the old ones in force, until they change again. Handshakes read it
/// from any thread; one watcher at a time reads the files.
/// </summary>
internal sealed class TlsFiles(TlsFilesConfig config)
{
    private static readonly (long Time, long Length) Missing = (0, -1);

    private readonly string[] _paths =
        [.. ((string[])[config.CaCertificates, config.ClientCertificate, config.PrivateKey, config.RevocationList]).Where(static p => p.Length > 0).Distinct()];

    private readonly TaskCompletionSource _firstLook = new();
    private Dictionary<string, (long Time, long Length)> _seen = [];
    private volatile TlsMaterial? _current;
    private volatile string _problem = "";
    private bool _hasLooked;
    private int _isLooking;

    /// <summary>What is in force; null until the files could be used for the first time.</summary>
    public TlsMaterial? Current => _current;

    /// <summary>Why nothing newer is in force; empty when all is well.</summary>
    public string Problem => _problem;

    /// <summary>Whether there are files that can change; the system's roots are read once.</summary>
    public bool CanChange => _paths.Length > 0;

    /// <summary>Done when the files were looked at once. Goes on where they were read: whoever is bound to a loop has to go back there.</summary>
    public Task FirstLook => _firstLook.Task;

    /// <summary>Reads the files if one has changed. True when it did: then <see cref="Current"/> is new or <see cref="Problem"/> says why not.</summary>
    public async Task<bool> LookAsync()
    {
        if (Interlocked.Exchange(ref _isLooking, 1) != 0)
        {
            return false; // slow files: the look that runs will tell
        }

        try
        {
            Dictionary<string, (long Time, long Length)> now = _paths.Distinct().ToDictionary(static p => p, Stamp);
            if (_hasLooked && now.All(p => _seen.TryGetValue(p.Key, out (long Time, long Length) before) && before == p.Value))
            {
                return false;
            }

            Dictionary<string, byte[]> bytes = [];
            foreach (string path in _paths)
            {
                bytes[path] = await File.ReadAllBytesAsync(path);
            }

            _current = TlsMaterial.TryMake(config, bytes, out string problem) ?? _current;
            _problem = problem;
            (_seen, _hasLooked) = (now, true); // not before: what could not be read is read again
        }
        catch (Exception unreadable) when (unreadable is IOException or UnauthorizedAccessException)
        {
            bool isKnown = _problem == unreadable.Message; // said once, tried each time
            _problem = unreadable.Message;
            return !isKnown;
        }
        finally
        {
            _firstLook.TrySetResult();
            Volatile.Write(ref _isLooking, 0);
        }

        return true;
    }

    // Through a descriptor: a secret that is mounted is a link to a link, and only what it leads to changes.
    private static (long Time, long Length) Stamp(string path)
    {
        if (!File.Exists(path))
        {
            return Missing;
        }

        using Microsoft.Win32.SafeHandles.SafeFileHandle file = File.OpenHandle(path);
        return (File.GetLastWriteTimeUtc(file).Ticks, RandomAccess.GetLength(file));
    }
}
