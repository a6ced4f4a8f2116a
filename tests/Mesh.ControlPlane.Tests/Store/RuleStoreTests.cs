using System.Globalization;
using System.Text.Json.Nodes;
using Mesh.ControlPlane.Store;
using Mesh.Rules.Reading;
using Mesh.Testing;
using Microsoft.Extensions.Logging;
using Xunit;

namespace Mesh.ControlPlane.Tests.Store;

public sealed class RuleStoreTests : IDisposable
{
    private static readonly RuleKey A = new("DestinationRule", "default", "a");
    private readonly TemporaryFolder _folder = new();
    private readonly RecordingLoggerFactory _log = new();
    private readonly FakeTimeProvider _time = new();

    public void Dispose()
    {
        _folder.Dispose();
        _log.Dispose();
    }

    [Fact]
    public void Open_TwiceAtOnce_IsRefusedWithTheReason()
    {
        using RuleStore first = Open();
        IOException refused = Assert.Throws<IOException>(Open);
        Assert.Contains("in use by another control plane", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Reopen_AfterWrites_HasTheSameObjectsAndNoVersionTwice()
    {
        string written;
        long revision;
        using (RuleStore store = Open())
        {
            written = Put(store, A, "one").Object.ToJsonString();
            Put(store, A with { Name = "b" }, "two");
            store.Change(A with { Name = "b" }, static _ => (null, null));
            revision = store.Current.Revision;
        }

        using RuleStore again = Open();
        Assert.True(JsonNode.DeepEquals(JsonNode.Parse(written), Assert.Single(again.Current.Rules).Value.Object));
        Assert.True(again.Current.Revision >= revision);
        Assert.True(Put(again, A, "three").ResourceVersion > revision);
    }

    [Fact]
    public void Reopen_AtEveryStepOfAWrite_FindsTheOldRuleOrTheNewOne()
    {
        using (RuleStore store = Open())
        {
            Put(store, A, "old");
        }

        // What a kill between two steps leaves: a temporary file cut off anywhere beside the old file.
        string path = FileOf(A);
        string next = File.ReadAllText(path).Replace("old", "new", StringComparison.Ordinal);
        for (int length = 0; length <= next.Length; length += 7)
        {
            File.WriteAllText(path + ".tmp", next[..length]);
            using RuleStore after = Open();
            Assert.Equal("old", HostOf(after, A));
            Assert.False(File.Exists(path + ".tmp"));
        }

        File.WriteAllText(path + ".tmp", next);
        File.Move(path + ".tmp", path, overwrite: true);
        using RuleStore renamed = Open();
        Assert.Equal("new", HostOf(renamed, A));
    }

    [Theory]
    [InlineData("spec: [")]
    [InlineData("")]
    [InlineData("apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: other}\nspec: {host: p}\n")]
    [InlineData("apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: broken}\nspec: {hosst: p}\n")]
    public void Open_UnreadableFile_IsReportedAndKeptWhileTheOthersLoad(string content)
    {
        Write("broken", content);
        Write("a", Yaml("a", "p"));
        using RuleStore store = Open();
        Assert.Equal(A, Assert.Single(store.Current.Rules).Key);
        Assert.Contains(_log.Warnings, static w => w.Contains("broken.yaml:", StringComparison.Ordinal));
        Assert.Equal(content, File.ReadAllText(FileOf(A with { Name = "broken" })));
    }

    [Theory]
    [InlineData("resourceVersion: 5")]
    [InlineData("resourceVersion: [5]")]
    [InlineData("resourceVersion: \"99999999999999999999\"")]
    [InlineData("uid: 5")]
    [InlineData("uid: {}")]
    [InlineData("generation: x")]
    [InlineData("generation: 1.5")]
    [InlineData("creationTimestamp: yesterday")]
    [InlineData("creationTimestamp: null")]
    [InlineData("labels: 5")]
    [InlineData("managedFields: 5")]
    [InlineData("namespace: 5")]
    public void Open_OddMetadataInAFile_NeverStopsTheStore(string line)
    {
        Write("odd", $"apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata:\n  name: odd\n  {line}\nspec: {{host: p}}\n");
        Write("a", Yaml("a", "p"));
        using RuleStore store = Open();
        Assert.Contains(A, store.Current.Rules.Keys);
        Write("a", Yaml("a", "q"));
        store.PickUpEdits();
        Assert.Equal("q", HostOf(store, A));
    }

    [Fact]
    public void Open_LostRevisionFile_DoesNotGoBackInVersions()
    {
        long before;
        using (RuleStore store = Open())
        {
            Put(store, A, "one");
            before = Put(store, A, "two").ResourceVersion;
        }

        File.WriteAllText(_folder.File("revision"), "garbage");
        using RuleStore again = Open();
        Assert.True(Put(again, A, "three").ResourceVersion > before);
    }

    [Fact]
    public void Edit_NewChangedBrokenDeleted_IsFollowedAndTheLastGoodStays()
    {
        using RuleStore store = Open();
        Write("a", Yaml("a", "one"));
        store.PickUpEdits();
        StoredRule born = store.Current.Rules[A];
        Assert.True(Guid.TryParse((string?)born.Object["metadata"]!["uid"], out _));
        Write("a", Yaml("a", "second"));
        store.PickUpEdits();
        StoredRule edited = store.Current.Rules[A];
        Assert.Equal(born.Document.Generation + 1, edited.Document.Generation);
        Assert.Equal((string?)born.Object["metadata"]!["uid"], (string?)edited.Object["metadata"]!["uid"]);
        Write("a", "spec: [");
        store.PickUpEdits();
        Assert.Same(edited, store.Current.Rules[A]);
        Assert.Contains(_log.Warnings, static w => w.Contains("a.yaml:2:", StringComparison.Ordinal));
        Assert.Contains("a.yaml:2:", Assert.Single(store.Rejected).Place, StringComparison.Ordinal);
        Write("a", Yaml("a", "third"));
        store.PickUpEdits();
        Assert.Empty(store.Rejected);
        Write("a", "spec: [ ");
        store.PickUpEdits();
        Assert.Single(store.Rejected);
        File.Delete(FileOf(A));
        store.PickUpEdits();
        Assert.Empty(store.Current.Rules);
        Assert.Empty(store.Rejected);
        Assert.Equal(2, store.Rejections);
    }

    [Fact]
    public void Edit_NothingChanged_MakesNoRevision()
    {
        using RuleStore store = Open();
        Put(store, A, "one");
        long revision = store.Current.Revision;
        store.PickUpEdits();
        store.PickUpEdits();
        Assert.Equal(revision, store.Current.Revision);
    }

    [Fact]
    public async Task Edit_LookedForWhileTheApiWrites_NeverTakesBackAnAcknowledgedWrite()
    {
        NoSynchronizationContext.Use();
        using RuleStore store = Open();
        using CancellationTokenSource done = new();
        Task looking = Task.Run(() =>
        {
            while (!done.IsCancellationRequested)
            {
                store.PickUpEdits();
            }
        });
        int lost = 0;
        for (int i = 0; i < 400; i++)
        {
            string host = string.Create(CultureInfo.InvariantCulture, $"host-{i % 7}");
            Put(store, A, host);
            lost += store.Current.Rules.ContainsKey(A) && HostOf(store, A) == host ? 0 : 1;
            if (i % 5 == 4)
            {
                store.Change(A, static _ => (null, null));
                lost += store.Current.Rules.ContainsKey(A) ? 1 : 0;
            }
        }

        string last = "last";
        Put(store, A, last);
        await done.CancelAsync();
        await looking.WaitAsync(TimeSpan.FromSeconds(10));
        Assert.Equal(0, lost);
        Assert.Equal(last, HostOf(store, A));
    }

    [Fact]
    public async Task WaitForChange_WakesAtTheNextChange()
    {
        NoSynchronizationContext.Use();
        using RuleStore store = Open();
        Task waiting = store.WaitForChangeAsync(store.Current.Revision, CancellationToken.None);
        Assert.False(waiting.IsCompleted);
        Put(store, A, "one");
        await waiting.WaitAsync(TimeSpan.FromSeconds(10));
    }

    private RuleStore Open() => new(_folder.Path, _time, new Logger<RuleStore>(_log));

    private string FileOf(RuleKey key) => _folder.File("rules", "destinationrules.networking.istio.io", key.Namespace, key.Name + ".yaml");

    private void Write(string name, string text)
    {
        string path = FileOf(A with { Name = name });
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        File.WriteAllText(path, text);
    }

    private static string Yaml(string name, string host) =>
        $"apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {{name: {name}}}\nspec: {{host: {host}}}\n";

    private static string? HostOf(RuleStore store, RuleKey key) => (string?)store.Current.Rules[key].Object["spec"]!["host"];

    private static StoredRule Put(RuleStore store, RuleKey key, string host)
    {
        JsonObject obj = RuleJson.FromYaml(Yaml(key.Name, host)).Object!;
        obj["metadata"]!["namespace"] = key.Namespace;
        obj["metadata"]!["uid"] = "11111111-1111-1111-1111-111111111111";
        obj["metadata"]!["creationTimestamp"] = "2030-01-01T00:00:00Z";
        obj["metadata"]!["generation"] = 1;
        return store.Change(key, _ => (obj, RuleReader.ReadJson(obj, "test").Document!))!;
    }
}
