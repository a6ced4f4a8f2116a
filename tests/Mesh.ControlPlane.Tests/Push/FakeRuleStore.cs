using System.Collections.Immutable;
using System.Text.Json.Nodes;
using Mesh.ControlPlane.Store;
using Mesh.Rules.Reading;

namespace Mesh.ControlPlane.Tests.Push;

/// <summary>Rules in memory; status counts as a revision, as in the real store.</summary>
internal sealed class FakeRuleStore : IRuleStore
{
    private readonly Lock _gate = new();
    private TaskCompletionSource _changed = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public RuleStoreState Current { get; private set; } = new(0, ImmutableDictionary<RuleKey, StoredRule>.Empty);

    public IReadOnlyList<RejectedRule> Rejected { get; set; } = [];

    public int StatusWrites { get; private set; }

    public Task WaitForChangeAsync(long revision, CancellationToken cancellationToken)
    {
        lock (_gate)
        {
            return Current.Revision > revision ? Task.CompletedTask : _changed.Task.WaitAsync(cancellationToken);
        }
    }

    public bool TrySetStatus(RuleKey key, string uid, JsonObject status)
    {
        if (!Current.Rules.TryGetValue(key, out StoredRule? rule) || (string?)rule.Object["metadata"]!["uid"] != uid)
        {
            return false;
        }

        JsonObject next = (JsonObject)rule.Object.DeepClone();
        next["status"] = JsonNode.Parse(status.ToJsonString()); // as if it had been stored and read back
        StatusWrites++;
        Put(rule with { Object = next });
        return true;
    }

    /// <summary>Creates or replaces a DestinationRule; the generation rises.</summary>
    public RuleKey Apply(string name, string spec = "{host: products}", string ruleNamespace = "default")
    {
        RuleKey key = new("DestinationRule", ruleNamespace, name);
        StoredRule? former = Current.Rules.GetValueOrDefault(key);
        long generation = (former?.Document.Generation ?? 0) + 1;
        string uid = former is null ? $"uid-{Current.Revision}" : (string)former.Object["metadata"]!["uid"]!;
        (JsonObject? obj, _) = RuleJson.FromYaml($$"""
            apiVersion: networking.istio.io/v1
            kind: DestinationRule
            metadata: {name: {{name}}, namespace: {{ruleNamespace}}, uid: {{uid}}, generation: {{generation}}, creationTimestamp: "2030-01-01T00:00:00Z"}
            spec: {{spec}}
            """);
        RuleReadResult read = RuleReader.ReadJson(obj!, "test");
        if (former?.Object["status"] is { } status)
        {
            obj!["status"] = status.DeepClone();
        }

        Put(new StoredRule(key, 0, obj!, read.Document!));
        return key;
    }

    /// <summary>Adds a rule of any kind, as read.</summary>
    public void Add(string yaml)
    {
        RuleDocument document = RuleReader.ReadYaml(yaml, "test").Single().Document!;
        Put(new StoredRule(document.Key, 0, RuleJson.FromYaml(yaml).Object!, document));
    }

    public void Annotate(RuleKey key)
    {
        StoredRule rule = Current.Rules[key];
        JsonObject next = (JsonObject)rule.Object.DeepClone();
        next["metadata"]!["annotations"] = new JsonObject { ["seen"] = "yes" };
        Put(rule with { Object = next });
    }

    public void Delete(RuleKey key) => Change(Current.Rules.Remove(key));

    private void Put(StoredRule rule)
    {
        long revision = Current.Revision + 1;
        rule.Object["metadata"]!["resourceVersion"] = revision.ToString(System.Globalization.CultureInfo.InvariantCulture);
        Change(Current.Rules.SetItem(rule.Key, rule with { ResourceVersion = revision }));
    }

    private void Change(ImmutableDictionary<RuleKey, StoredRule> rules)
    {
        TaskCompletionSource waiters;
        lock (_gate)
        {
            Current = new RuleStoreState(Current.Revision + 1, rules);
            waiters = _changed;
            _changed = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        }

        waiters.SetResult();
    }
}
