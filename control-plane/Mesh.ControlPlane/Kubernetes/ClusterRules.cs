using System.Collections.Immutable;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Text.Json;
using System.Text.Json.Nodes;
using Mesh.ControlPlane.Store;
using Mesh.Rules.Kinds;
using Mesh.Rules.Reading;
using Mesh.Rules.Validation;
using Microsoft.Extensions.Logging;

namespace Mesh.ControlPlane.Kubernetes;

/// <summary>
/// The rules of a cluster, as its API server has them. A cluster may hold rules that we cannot read (another schema, no webhook): such a one is refused in its
/// status, and the last good version of it stays in force. Thread-safe.
/// </summary>
internal sealed partial class ClusterRules : IRuleStore
{
    private readonly ILogger _logger;
    private readonly Lock _gate = new();
    private volatile RuleStoreState _current = new(0, ImmutableDictionary<RuleKey, StoredRule>.Empty);
    private TaskCompletionSource _changed = NewSource();

    /// <summary>No rules yet.</summary>
    public ClusterRules(ILogger<ClusterRules> logger)
    {
        _logger = logger;
        Tables = [.. RuleKinds.All.Select(kind => (kind, (IWatchSink)new ResourceTable<RuleObject>(RuleObject.Read, changes => Take(kind, changes))))];
    }

    /// <summary>A sink for each kind of rule.</summary>
    public ImmutableArray<(RuleKind Kind, IWatchSink Sink)> Tables { get; }

    /// <summary>Takes the status that an object shall have, or not; writing it needs time. Set before the first rule comes.</summary>
    public Func<RuleKey, JsonObject, JsonObject, bool> StatusWanted { get; set; } = static (_, _, _) => false;

    /// <inheritdoc/>
    public RuleStoreState Current => _current;

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
        RuleStoreState state = _current;
        JsonObject? obj = state.Refused.GetValueOrDefault(key)?.Object ?? state.Rules.GetValueOrDefault(key)?.Object;
        return obj is not null && (string?)obj["metadata"]?["uid"] == uid && StatusWanted(key, obj, status);
    }

    private static TaskCompletionSource NewSource() => new(TaskCreationOptions.RunContinuationsAsynchronously);

    private void Take(RuleKind kind, IReadOnlyList<ResourceChange<RuleObject>> changes)
    {
        lock (_gate)
        {
            long revision = _current.Revision + 1;
            ImmutableDictionary<RuleKey, StoredRule>.Builder rules = _current.Rules.ToBuilder();
            ImmutableDictionary<RuleKey, RefusedRule>.Builder refused = _current.Refused.ToBuilder();
            foreach (ResourceChange<RuleObject> change in changes)
            {
                RuleKey key = new(kind.Kind, change.Key.Namespace, change.Key.Name);
                refused.Remove(key);
                if (change.After is null)
                {
                    rules.Remove(key);
                }
                else
                {
                    TakeLocked(key, change.After, revision, rules, refused);
                }
            }

            _current = new RuleStoreState(revision, rules.ToImmutable()) { Refused = refused.ToImmutable() };
            TaskCompletionSource changed = _changed;
            _changed = NewSource();
            changed.SetResult();
        }
    }

    private void TakeLocked(
        RuleKey key,
        RuleObject found,
        long revision,
        ImmutableDictionary<RuleKey, StoredRule>.Builder rules,
        ImmutableDictionary<RuleKey, RefusedRule>.Builder refused)
    {
        RuleReadResult read = RuleReader.ReadJson(found.Object, "cluster", UnknownFields.Warn);
        if (read.Document is { } document)
        {
            long version = long.TryParse(found.Version, NumberStyles.None, CultureInfo.InvariantCulture, out long number) ? number : revision;
            bool isWhole = read.Diagnostics.All(static d => d.Code != DiagnosticCode.UnknownField);
            rules[key] = new StoredRule(key, version, isWhole ? found.Object : Known(found.Object, document.RuleKind), document with { Key = key })
            {
                Findings = read.Diagnostics,
            };
            return;
        }

        refused[key] = new RefusedRule(key, found.Object, read.Diagnostics);
        if (rules.TryGetValue(key, out StoredRule? former) && (string?)former.Object["metadata"]?["uid"] != found.Uid)
        {
            rules.Remove(key); // deleted and made anew: the former one is not its last good version
        }

        Diagnostic? error = read.Diagnostics.FirstOrDefault(static d => d.Severity == Severity.Error);
        LogRefused(key, error?.Path ?? "", error?.Message ?? "it is no rule");
    }

    /// <summary>The object with the fields that sidecars know: they refuse others.</summary>
    private static JsonObject Known(JsonObject obj, RuleKind kind)
    {
        JsonObject known = (JsonObject)obj.DeepClone();
        RuleJson.PruneUnknownFields(known, kind);
        if (obj["status"] is { } status)
        {
            known["status"] = status.DeepClone(); // it has a schema of its own
        }

        return known;
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "{Rule} is refused: {Path}: {Problem}; its last good version stays in force, if there was one")]
    private partial void LogRefused(RuleKey rule, string path, string problem);

    /// <summary>A rule as it came. Two of the same version are the same.</summary>
    private sealed class RuleObject(string uid, string version, JsonObject obj) : IEquatable<RuleObject>
    {
        public string Uid => uid;

        public string Version => version;

        public JsonObject Object => obj;

        public static RuleObject? Read(JsonElement element)
        {
            (JsonObject? obj, _) = RuleJson.FromJson(JsonMarshal.GetRawUtf8Value(element));
            if (obj?["metadata"] is not JsonObject metadata || ObjectShape.Problem(obj) is not null)
            {
                return null; // no API server sends that
            }

            metadata.Remove("managedFields"); // half of the text of most objects, and of no use here
            return new RuleObject((string?)metadata["uid"] ?? "", (string?)metadata["resourceVersion"] ?? "", obj);
        }

        public bool Equals(RuleObject? other) => other is not null && Uid == other.Uid && Version == other.Version;

        public override bool Equals(object? obj) => Equals(obj as RuleObject);

        public override int GetHashCode() => HashCode.Combine(Uid, Version);
    }
}
