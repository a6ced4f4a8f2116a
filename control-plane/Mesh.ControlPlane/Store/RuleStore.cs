using System.Collections.Immutable;
using System.Globalization;
using System.Text.Json.Nodes;
using Mesh.Rules.Reading;
using Mesh.Rules.Validation;
using Microsoft.Extensions.Logging;

namespace Mesh.ControlPlane.Store;

/// <summary>
/// The rules in memory and in a folder of YAML. One writer at a time; a change is visible, and acknowledged, only after it is durable. Readers take an immutable state.
/// Status lives in memory only. Thread-safe.
/// </summary>
public sealed partial class RuleStore : IRuleStore, IDisposable
{
    private const int HistoryLength = 4096;
    private const long MaxRevision = 1L << 53; // more is no revision of ours but a number that somebody typed

    private readonly StoreFolder _folder;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly Lock _gate = new();
    private readonly Queue<StoreChange> _history = new();
    private readonly FolderEdits _edits;
    private ImmutableSortedDictionary<string, RejectedRule> _rejected = ImmutableSortedDictionary.Create<string, RejectedRule>(StringComparer.Ordinal);
    private long _rejections;
    private readonly bool _isLoaded;
    private volatile RuleStoreState _current;
    private TaskCompletionSource _changed = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Opens the folder <paramref name="data"/> and loads its rules; a file that cannot be read is reported and left alone.</summary>
    /// <exception cref="IOException">The folder is in use or cannot be written.</exception>
    public RuleStore(string data, TimeProvider time, ILogger<RuleStore> logger)
    {
        _time = time;
        _logger = logger;
        _folder = new StoreFolder(data);
        _current = new RuleStoreState(_folder.FirstRevision, ImmutableDictionary<RuleKey, StoredRule>.Empty);
        OldestRevision = _current.Revision;
        _edits = new FolderEdits(_folder, this, logger);
        _edits.Pick();
        OldestRevision = _current.Revision;
        _history.Clear();
        _isLoaded = true;
    }

    /// <inheritdoc/>
    public RuleStoreState Current => _current;

    /// <inheritdoc/>
    public IReadOnlyList<RejectedRule> Rejected => [.. _rejected.Values];

    /// <inheritdoc/>
    public long Rejections => Interlocked.Read(ref _rejections);

    /// <summary>Changes after this revision are still known; a watch from before must list again.</summary>
    public long OldestRevision { get; private set; }

    /// <inheritdoc/>
    public async Task WaitForChangeAsync(long revision, CancellationToken cancellationToken)
    {
        Task changed;
        lock (_gate)
        {
            if (_current.Revision > revision)
            {
                return;
            }

            changed = _changed.Task;
        }

        await changed.WaitAsync(cancellationToken);
    }

    /// <inheritdoc/>
    public bool TrySetStatus(RuleKey key, string uid, JsonObject status)
    {
        lock (_gate)
        {
            if (!_current.Rules.TryGetValue(key, out StoredRule? rule) || (string?)rule.Object["metadata"]?["uid"] != uid)
            {
                return false;
            }

            if (!JsonNode.DeepEquals(rule.Object["status"], status))
            {
                JsonObject next = (JsonObject)rule.Object.DeepClone();
                next["status"] = status.DeepClone();
                PublishLocked(key, rule, Stamp(next, rule.Document));
            }

            return true;
        }
    }

    /// <summary>Looks once for files that a person has changed; called by a timer.</summary>
    public void PickUpEdits() => _edits.Pick();

    /// <summary>Releases the folder.</summary>
    public void Dispose() => _folder.Dispose();

    /// <summary>The changes after <paramref name="revision"/>; null when some of them are forgotten.</summary>
    internal IReadOnlyList<StoreChange>? ChangesAfter(long revision)
    {
        lock (_gate)
        {
            return revision < OldestRevision ? null : [.. _history.Where(c => c.Revision > revision)];
        }
    }

    /// <summary>
    /// Runs one read-modify-write alone. <paramref name="change"/> gets the object as it is (null: missing) and returns what it shall be: the same reference for no change,
    /// null to delete. It must not touch its argument. Returns what is stored then, or the object that was deleted.
    /// </summary>
    internal StoredRule? Change(RuleKey key, Func<StoredRule?, (JsonObject? Next, RuleDocument? Document)> change)
    {
        lock (_gate)
        {
            StoredRule? before = _current.Rules.GetValueOrDefault(key);
            (JsonObject? next, RuleDocument? document) = change(before);
            if (ReferenceEquals(next, before?.Object))
            {
                return before;
            }

            if (next is null)
            {
                string path = _folder.PathOf(before!.Document.RuleKind, key);
                _edits.Forget(path);
                Forgive(path);
                _folder.Reserve(_current.Revision + 1);
                _folder.Delete(before.Document.RuleKind, key);
                PublishLocked(key, before, null);
                return before;
            }

            StoredRule after = Stamp((JsonObject)next.DeepClone(), document!);
            bool isStatusOnly = before is not null && JsonNode.DeepEquals(Durable(before.Object), Durable(after.Object));
            if (!isStatusOnly)
            {
                _folder.Reserve(after.ResourceVersion);
                _folder.Write(document!.RuleKind, key, RuleWriter.ToYaml(WithoutStatus(after.Object)));
                string path = _folder.PathOf(document.RuleKind, key);
                _edits.Remember(path);
                Forgive(path);
            }

            PublishLocked(key, before, after);
            return after;
        }
    }

    /// <summary>A file appeared or changed: the rule takes its content; nothing is written back, so the person's comments stay.</summary>
    internal void TakeEdit(RuleKey key, JsonObject edited, RuleReadResult read)
    {
        lock (_gate)
        {
            StoredRule? before = _current.Rules.GetValueOrDefault(key);
            JsonObject next = (JsonObject)edited.DeepClone();
            next.Remove("status");
            if (before?.Object["status"] is { } status)
            {
                next["status"] = status.DeepClone();
            }

            JsonObject metadata = (JsonObject)next["metadata"]!;
            metadata["namespace"] = key.Namespace;
            metadata["generation"] ??= 1;
            long generation = Generation(metadata);
            if (before is not null)
            {
                metadata["uid"] = before.Object["metadata"]!["uid"]!.DeepClone();
                metadata["creationTimestamp"] = before.Object["metadata"]!["creationTimestamp"]!.DeepClone();
                long old = before.Document.Generation;
                generation = JsonNode.DeepEquals(before.Object["spec"], next["spec"]) ? old : old + 1;
            }

            if (before is not null && JsonNode.DeepEquals(Durable(before.Object), Durable(next)))
            {
                return; // our own write, seen before it was noted down
            }

            metadata["uid"] ??= Guid.NewGuid().ToString();
            metadata["creationTimestamp"] ??= Timestamp(_time.GetUtcNow());
            metadata["generation"] = generation;
            RuleDocument document = read.Document! with
            {
                Generation = generation,
                CreationTimestamp = DateTimeOffset.Parse((string)metadata["creationTimestamp"]!, CultureInfo.InvariantCulture),
            };
            if (!_isLoaded && long.TryParse((string?)metadata["resourceVersion"], out long version) && version <= MaxRevision)
            {
                if (version <= _folder.FirstRevision)
                {
                    // Unchanged since an earlier run: clients that remember its version are still right.
                    _current = _current with { Rules = _current.Rules.SetItem(key, new StoredRule(key, version, next, document)) };
                    return;
                }

                // The revision file is lost, or older than the rules: go on above all that was ever given out.
                _current = _current with { Revision = Math.Max(_current.Revision, version) };
            }

            PublishLocked(key, before, Stamp(next, document));
        }
    }

    /// <summary>A file was deleted by hand.</summary>
    internal void TakeDeletion(RuleKey key)
    {
        lock (_gate)
        {
            if (_current.Rules.TryGetValue(key, out StoredRule? before))
            {
                PublishLocked(key, before, null);
            }
        }
    }

    /// <summary>Runs <paramref name="look"/> while no write goes on.</summary>
    internal void Alone(Action look)
    {
        lock (_gate)
        {
            look();
        }
    }

    /// <summary>A file cannot be taken; said once for each text of it. Called inside the lock.</summary>
    internal void Report(string file, IReadOnlyList<Diagnostic> findings)
    {
        foreach (Diagnostic finding in findings)
        {
            LogUnreadable(file, finding.Line, finding.Column, finding.Path, finding.Message);
        }

        Diagnostic first = findings[0];
        string place = first.Line > 0 ? string.Create(CultureInfo.InvariantCulture, $"{file}:{first.Line}:{first.Column}") : file;
        _rejected = _rejected.SetItem(file, new RejectedRule(place, first.Path.Length > 0 ? $"{first.Path}: {first.Message}" : first.Message));
        Interlocked.Increment(ref _rejections);
    }

    /// <summary>A file was taken, or is gone. Called inside the lock.</summary>
    internal void Forgive(string file) => _rejected = _rejected.Remove(file);

    /// <summary>RFC 3339 in seconds, as Kubernetes writes times.</summary>
    internal static string Timestamp(DateTimeOffset time) => time.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture);

    private StoredRule Stamp(JsonObject next, RuleDocument document)
    {
        long revision = _current.Revision + 1;
        next["metadata"]!["resourceVersion"] = revision.ToString(CultureInfo.InvariantCulture);
        return new StoredRule(document.Key, revision, next, document);
    }

    private void PublishLocked(RuleKey key, StoredRule? before, StoredRule? after)
    {
        long revision = _current.Revision + 1;
        _folder.Reserve(revision);
        _history.Enqueue(new StoreChange(revision, before, after));
        while (_history.Count > HistoryLength)
        {
            OldestRevision = _history.Dequeue().Revision;
        }

        _current = new RuleStoreState(revision, after is null ? _current.Rules.Remove(key) : _current.Rules.SetItem(key, after));
        TaskCompletionSource changed = _changed;
        _changed = new(TaskCreationOptions.RunContinuationsAsynchronously);
        changed.SetResult();
    }

    private static long Generation(JsonObject metadata) =>
        long.TryParse(metadata["generation"]?.ToString(), CultureInfo.InvariantCulture, out long generation) ? generation : 1;

    private static JsonObject WithoutStatus(JsonObject obj)
    {
        JsonObject copy = (JsonObject)obj.DeepClone();
        copy.Remove("status");
        return copy;
    }

    private static JsonObject Durable(JsonObject obj)
    {
        JsonObject copy = WithoutStatus(obj);
        ((JsonObject)copy["metadata"]!).Remove("resourceVersion");
        return copy;
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "{File}:{Line}:{Column}: {Path}: {Problem}; the file is left alone, the last good version of the rule stays")]
    private partial void LogUnreadable(string file, int line, int column, string path, string problem);
}
