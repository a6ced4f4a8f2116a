using System.Text.Json.Nodes;
using Mesh.Rules.Reading;
using Mesh.Rules.Validation;
using Microsoft.Extensions.Logging;

namespace Mesh.ControlPlane.Store;

/// <summary>Notices what people do to the files of the store: by size and time first, then by reading. Calls come one at a time, or from within the store's lock.</summary>
internal sealed partial class FolderEdits(StoreFolder folder, RuleStore store, ILogger logger)
{
    private readonly Lock _gate = new();
    private readonly Dictionary<string, (DateTime Written, long Length)> _seen = [];

    /// <summary>Looks at all files once.</summary>
    public void Pick()
    {
        HashSet<string> present = [];
        foreach (FileInfo file in List())
        {
            present.Add(file.FullName);
            if (IsNew(file))
            {
                Read(file);
            }
        }

        foreach (string gone in Missing(present))
        {
            if (folder.KeyOf(new FileInfo(gone)) is { } key)
            {
                store.TakeDeletion(key);
            }
        }
    }

    /// <summary>The store itself wrote this file.</summary>
    public void Remember(string path)
    {
        FileInfo file = new(path);
        lock (_gate)
        {
            _seen[path] = (file.LastWriteTimeUtc, file.Length);
        }
    }

    /// <summary>The store itself deletes this file.</summary>
    public void Forget(string path)
    {
        lock (_gate)
        {
            _seen.Remove(path);
        }
    }

    private FileInfo[] List()
    {
        try
        {
            return [.. folder.Files()];
        }
        catch (IOException problem)
        {
            LogUnlistable(problem.Message);
            return [];
        }
    }

    private bool IsNew(FileInfo file)
    {
        lock (_gate)
        {
            (DateTime, long) now = (file.LastWriteTimeUtc, file.Exists ? file.Length : 0);
            bool isNew = !_seen.TryGetValue(file.FullName, out (DateTime, long) known) || known != now;
            _seen[file.FullName] = now;
            return isNew;
        }
    }

    private string[] Missing(HashSet<string> present)
    {
        lock (_gate)
        {
            string[] missing = [.. _seen.Keys.Where(path => !present.Contains(path) && !File.Exists(path))];
            foreach (string path in missing)
            {
                _seen.Remove(path);
            }

            return missing;
        }
    }

    private void Read(FileInfo file)
    {
        if (folder.KeyOf(file) is not { } key)
        {
            store.Report(file.FullName, new Diagnostic(Severity.Error, DiagnosticCode.Invalid, "", 0, 0, "the store keeps rules as rules/<plural>.<group>/<namespace>/<name>.yaml; move the file there"));
            return;
        }

        string text;
        try
        {
            text = File.ReadAllText(file.FullName);
        }
        catch (IOException problem)
        {
            store.Report(file.FullName, new Diagnostic(Severity.Error, DiagnosticCode.Syntax, "", 0, 0, problem.Message));
            return;
        }

        (JsonObject? obj, _) = RuleJson.FromYaml(text);
        RuleReadResult[] read = [.. RuleReader.ReadYaml(text, file.FullName, key.Namespace)];
        if (read is not [{ Document: { } document }] || obj is null || document.Key != key)
        {
            Diagnostic other = new(Severity.Error, DiagnosticCode.Invalid, "metadata", 0, 0, $"the file must hold one rule, {key}, as its name says");
            foreach (Diagnostic finding in read.SelectMany(static r => r.Diagnostics).Where(static d => d.Severity == Severity.Error).DefaultIfEmpty(other))
            {
                store.Report(file.FullName, finding);
            }

            return;
        }

        store.TakeEdit(key, obj, read[0]);
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "The rules folder cannot be listed: {Problem}")]
    private partial void LogUnlistable(string problem);
}
