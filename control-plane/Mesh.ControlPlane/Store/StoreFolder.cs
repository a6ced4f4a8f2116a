using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;
using Mesh.Rules.Kinds;
using Mesh.Rules.Reading;

namespace Mesh.ControlPlane.Store;

/// <summary>
/// The files of the store: <c>rules/&lt;plural&gt;.&lt;group&gt;/&lt;namespace&gt;/&lt;name&gt;.yaml</c>. A write returns when it would survive a power cut: temporary file, fsync,
/// rename, fsync of the folder. A file that cannot be read is left where it is. Used by one store at a time, which a lock file sees to.
/// </summary>
internal sealed class StoreFolder : IDisposable
{
    private const string Temporary = ".tmp";
    private const long RevisionsReserved = 10_000;
    private const int NotSupportedByFileSystem = 22; // EINVAL: such a file system has nothing to flush for a folder

    private readonly string _rules;
    private readonly string _revisionFile;
    private readonly FileStream _lock;
    private long _reserved;

    /// <summary>Opens or creates the folder.</summary>
    /// <exception cref="IOException">Another process uses it, or it cannot be written.</exception>
    public StoreFolder(string data)
    {
        _rules = Directory.CreateDirectory(Path.Combine(data, "rules")).FullName;
        _revisionFile = Path.Combine(data, "revision");
        try
        {
            _lock = new FileStream(Path.Combine(data, "lock"), FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
        }
        catch (IOException taken)
        {
            throw new IOException($"data folder '{data}' is in use by another control plane; stop it or give --data another folder", taken);
        }

        foreach (string left in Directory.EnumerateFiles(_rules, "*" + Temporary, SearchOption.AllDirectories))
        {
            File.Delete(left); // a write that was cut off: never acknowledged
        }

        _reserved = long.TryParse(File.Exists(_revisionFile) ? File.ReadAllText(_revisionFile) : "0", out long reserved) ? reserved : 0;
        FirstRevision = _reserved;
    }

    /// <summary>No revision up to this was ever given out beyond the objects' own.</summary>
    public long FirstRevision { get; }

    /// <summary>All rule files now, with what tells a change.</summary>
    public IEnumerable<FileInfo> Files() => new DirectoryInfo(_rules).EnumerateFiles("*.yaml", SearchOption.AllDirectories);

    /// <summary>The key that a file's place names, or null when it is not a place of the store.</summary>
    public RuleKey? KeyOf(FileInfo file)
    {
        string[] parts = Path.GetRelativePath(_rules, file.FullName).Split(Path.DirectorySeparatorChar);
        if (parts.Length != 3)
        {
            return null;
        }

        int dot = parts[0].IndexOf('.');
        RuleKind? kind = dot < 0 ? null : RuleKinds.FindByPlural(parts[0][(dot + 1)..], parts[0][..dot]);
        return kind is null ? null : new RuleKey(kind.Kind, parts[1], Path.GetFileNameWithoutExtension(parts[2]));
    }

    /// <summary>Where a rule's file stands.</summary>
    public string PathOf(RuleKind kind, RuleKey key) => Path.Combine(_rules, $"{kind.Plural}.{kind.Group}", key.Namespace, key.Name + ".yaml");

    /// <summary>Writes a rule durably.</summary>
    public void Write(RuleKind kind, RuleKey key, string yaml)
    {
        string path = PathOf(kind, key);
        string folder = Path.GetDirectoryName(path)!;
        bool isNewFolder = !Directory.Exists(folder);
        Directory.CreateDirectory(folder);
        Replace(path, yaml);
        if (isNewFolder)
        {
            Sync(Path.GetDirectoryName(folder)!);
            Sync(_rules);
        }
    }

    /// <summary>Deletes a rule durably.</summary>
    public void Delete(RuleKind kind, RuleKey key)
    {
        string path = PathOf(kind, key);
        File.Delete(path);
        Sync(Path.GetDirectoryName(path)!);
    }

    /// <summary>Makes sure that <paramref name="revision"/> is not given out again after a restart.</summary>
    public void Reserve(long revision)
    {
        if (revision >= _reserved)
        {
            _reserved = revision + RevisionsReserved;
            Replace(_revisionFile, _reserved.ToString(CultureInfo.InvariantCulture));
        }
    }

    /// <summary>Gives the folder free.</summary>
    public void Dispose() => _lock.Dispose();

    private static void Replace(string path, string text)
    {
        string temporary = path + Temporary;
        using (FileStream file = new(temporary, FileMode.Create, FileAccess.Write))
        {
            file.Write(Encoding.UTF8.GetBytes(text));
            file.Flush(flushToDisk: true);
        }

        File.Move(temporary, path, overwrite: true);
        Sync(Path.GetDirectoryName(path)!);
    }

    // A rename is durable only when its folder is. Windows does that by itself.
    private static void Sync(string folder)
    {
        if (OperatingSystem.IsWindows())
        {
            return;
        }

        int descriptor = open(folder, 0);
        int error = descriptor < 0 || fsync(descriptor) < 0 ? Marshal.GetLastPInvokeError() : 0;
        if (descriptor >= 0)
        {
            _ = close(descriptor);
        }

        if (error is not (0 or NotSupportedByFileSystem))
        {
            throw new IOException($"folder '{folder}' cannot be made durable: {Marshal.GetPInvokeErrorMessage(error)}");
        }
    }

    [DllImport("libc", CharSet = CharSet.Ansi, BestFitMapping = false, SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int open([MarshalAs(UnmanagedType.LPUTF8Str)] string path, int flags);

    [DllImport("libc", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int fsync(int descriptor);

    [DllImport("libc")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int close(int descriptor);
}
