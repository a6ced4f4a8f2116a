using System.Text.Json.Nodes;
using Mesh.Rules.Reading;
using Mesh.Rules.Validation;
using Microsoft.Extensions.Logging;

namespace Mesh.ControlPlane.Store;

/// <summary>
/// Notices what people do to the files of the store: by size and time first, then by reading. Each file is judged inside the store's lock: read outside of it, an
/// old text could overtake a write that was acknowledged meanwhile. Thread-safe.
/// </summary>
internal sealed partial class FolderEdits(StoreFolder folder, RuleStore store, ILogger logger)
{
    private readonly Lock _turn = new();
    private readonly Dictionary<string, (DateTime Written, long Length)> _seen = []; // guarded by the store's lock

    /// <summary>Looks at all files once; returns at once when another look still goes on.</summary>
    public void Pick()
    {
        if (!_turn.TryEnter())
        {
            return;
        }

        try
        {
            HashSet<string> present = [];
            foreach (FileInfo file in List())
            {
                present.Add(file.FullName);
                store.Alone(() => ReadIfNew(file));
            }

            store.Alone(() => TakeDeletions(present));
        }
        finally
        {
            _turn.Exit();
        }
    }

    /// <summary>The store itself wrote this file. Called inside the store's lock.</summary>
    public void Remember(string path)
    {
        FileInfo file = new(path);
        _seen[path] = (file.LastWriteTimeUtc, file.Length);
    }

    /// <summary>The store itself deletes this file. Called inside the store's lock.</summary>
    public void Forget(string path) => _seen.Remove(path);

    private FileInfo[] List()
    {
        try
        {
            return [.. folder.Files()];
        }
        catch (Exception problem) when (problem is IOException or UnauthorizedAccessException)
        {
            LogUnlistable(problem.Message);
            return [];
        }
    }

    private void ReadIfNew(FileInfo file)
    {
        file.Refresh(); // what the listing saw may be older than the lock
        if (!file.Exists)
        {
            return;
        }

        (DateTime, long) now = (file.LastWriteTimeUtc, file.Length);
        if (!_seen.TryGetValue(file.FullName, out (DateTime, long) known) || known != now)
        {
            _seen[file.FullName] = now;
            Read(file);
        }
    }

    private void TakeDeletions(HashSet<string> present)
    {
        foreach (string gone in _seen.Keys.Where(path => !present.Contains(path) && !File.Exists(path)).ToArray())
        {
            _seen.Remove(gone);
            store.Forgive(gone);
            if (folder.KeyOf(new FileInfo(gone)) is { } key)
            {
                store.TakeDeletion(key);
            }
        }
    }

    private void Read(FileInfo file)
    {
        if (folder.KeyOf(file) is not { } key)
        {
            store.Report(file.FullName, [new Diagnostic(Severity.Error, DiagnosticCode.Invalid, "", 0, 0, "the store keeps rules as rules/<plural>.<group>/<namespace>/<name>.yaml; move the file there")]);
            return;
        }

        string text;
        try
        {
            text = File.ReadAllText(file.FullName);
        }
        catch (Exception problem) when (problem is IOException or UnauthorizedAccessException)
        {
            store.Report(file.FullName, [new Diagnostic(Severity.Error, DiagnosticCode.Syntax, "", 0, 0, problem.Message)]);
            return;
        }

        (JsonObject? obj, _) = RuleJson.FromYaml(text);
        RuleReadResult[] read = [.. RuleReader.ReadYaml(text, file.FullName, key.Namespace)];
        if (read is not [{ Document: { } document }] || obj is null || document.Key != key)
        {
            Diagnostic other = new(Severity.Error, DiagnosticCode.Invalid, "metadata", 0, 0, $"the file must hold one rule, {key}, as its name says");
            store.Report(file.FullName, [.. read.SelectMany(static r => r.Diagnostics).Where(static d => d.Severity == Severity.Error).DefaultIfEmpty(other)]);
            return;
        }

        if (ObjectShape.Problem(obj) is { } shape)
        {
            store.Report(file.FullName, [new Diagnostic(Severity.Error, DiagnosticCode.TypeInvalid, shape.Field, 0, 0, shape.Message)]);
            return;
        }

        store.Forgive(file.FullName);
        store.TakeEdit(key, obj, read[0]);
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "The rules folder cannot be listed: {Problem}")]
    private partial void LogUnlistable(string problem);
}
