using Mesh.Proxy.Config;
using Mesh.Rules.Compilation;
using Mesh.Rules.Snapshots;
using Mesh.Sidecar.Rules;
using Mesh.Testing;
using Xunit;

namespace Mesh.Sidecar.Tests.Rules;

public sealed class RulesFolderTests : IDisposable
{
    private readonly Scratch _scratch = new();
    private readonly List<string> _printed = [];
    private readonly System.Collections.Concurrent.ConcurrentQueue<string> _applied = new();
    private readonly SemaphoreSlim _appliedSignal = new(0);
    private readonly FakeTimeProvider _time = new();
    private int _rejected;

    public void Dispose()
    {
        _scratch.Dispose();
        _appliedSignal.Dispose();
    }

    [Fact]
    public async Task Scan_OfAFolder_TakesEveryFileBelowIt_AndSkipsForeignOnes()
    {
        _scratch.File("a.yaml", TestRules.Yaml("products"));
        _scratch.File("deep/er/b.yml", TestRules.Yaml("delivery") + "\n---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {name: x}\n");
        _scratch.File("notes.txt", "no rule");
        (RulesFolder folder, SnapshotPipeline pipeline) = Create(_scratch.Path);

        await folder.ScanAsync();

        Assert.Equal(["delivery", "products"], Names(pipeline));
        Assert.Empty(_printed);
        Assert.StartsWith(Path.Combine(_scratch.Path, "a.yaml"), pipeline.Current!.View.Rules[TestRules.Key("products")].Source, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Scan_WithoutChange_AppliesNothing()
    {
        (RulesFolder folder, _) = Create(_scratch.File("a.yaml", TestRules.Yaml("products")));

        await folder.ScanAsync();
        await folder.ScanAsync();

        Assert.Single(_applied);
    }

    [Fact]
    public async Task EmptyFolder_IsAppliedToo()
    {
        (RulesFolder folder, SnapshotPipeline pipeline) = Create(_scratch.Path);

        await folder.ScanAsync();

        Assert.Empty(pipeline.Current!.View.Rules);
    }

    [Fact]
    public async Task BrokenFile_NamesThePlace_KeepsItsRules_AndTheOthersChange()
    {
        string file = _scratch.File("a.yaml", TestRules.Yaml("products"));
        (RulesFolder folder, SnapshotPipeline pipeline) = Create(_scratch.Path);
        await folder.ScanAsync();

        _scratch.File("a.yaml", TestRules.Broken("products"));
        _scratch.File("b.yaml", TestRules.Yaml("delivery"));
        await folder.ScanAsync();

        Assert.Equal(["delivery", "products"], Names(pipeline));
        Assert.Contains(_printed, line => line.StartsWith($"{file}:6:", StringComparison.Ordinal) && line.Contains("maxConnections", StringComparison.Ordinal));
        Assert.Contains(_printed, line => line == $"{file}: not taken; the rules it had stay in force");
    }

    [Fact]
    public async Task BrokenFile_IsCountedOnce_AndNothingIsPutInForce()
    {
        _scratch.File("a.yaml", TestRules.Yaml("products"));
        (RulesFolder folder, SnapshotPipeline pipeline) = Create(_scratch.Path);
        await folder.ScanAsync();
        string version = pipeline.Version;

        _scratch.File("a.yaml", TestRules.Broken("products"));
        await folder.ScanAsync();
        await folder.ScanAsync();

        Assert.Equal(1, _rejected);
        Assert.Equal([version], _applied);
        _scratch.File("a.yaml", TestRules.Yaml("products", 7));
        await folder.ScanAsync();
        Assert.NotEqual(version, pipeline.Version);
        Assert.Equal(1, _rejected);
    }

    [Fact]
    public async Task DeletedFile_TakesItsRulesAway()
    {
        string file = _scratch.File("a.yaml", TestRules.Yaml("products"));
        (RulesFolder folder, SnapshotPipeline pipeline) = Create(_scratch.Path);
        await folder.ScanAsync();

        File.Delete(file);
        await folder.ScanAsync();

        Assert.Empty(Names(pipeline));
    }

    [Fact]
    public async Task SameRuleInTwoFiles_IsNamed_AndTheFirstIsUsed()
    {
        _scratch.File("a.yaml", TestRules.Yaml("products", 1));
        _scratch.File("b.yaml", TestRules.Yaml("products", 2));
        (RulesFolder folder, SnapshotPipeline pipeline) = Create(_scratch.Path);

        await folder.ScanAsync();

        Assert.Contains("a.yaml", pipeline.Current!.View.Rules[TestRules.Key("products")].Source, StringComparison.Ordinal);
        Assert.Contains("also in", Assert.Single(_printed), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Run_PicksUpAChangeWithinASecond()
    {
        _scratch.File("a.yaml", TestRules.Yaml("products"));
        (RulesFolder folder, _) = Create(_scratch.Path);
        await folder.ScanAsync();
        await _appliedSignal.WaitAsync(TimeSpan.FromSeconds(10));
        using CancellationTokenSource stop = new();
        Task running = folder.RunAsync(stop.Token);

        _scratch.File("b.yaml", TestRules.Yaml("delivery"));
        _time.Advance(TimeSpan.FromSeconds(1));

        Assert.True(await _appliedSignal.WaitAsync(TimeSpan.FromSeconds(10)));
        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => running);
        Assert.Equal(2, _applied.Distinct().Count());
    }

    private static IEnumerable<string> Names(SnapshotPipeline pipeline) => pipeline.Current!.View.Rules.Keys.Select(static k => k.Name).Order();

    private (RulesFolder Folder, SnapshotPipeline Pipeline) Create(string path)
    {
        SnapshotPipeline pipeline = new(TestRules.Identity, new SnapshotCompiler(), ApplyAsync);
        return (new RulesFolder(new RuleFiles(path, TestRules.Read, _printed.Add) { Rejected = () => _rejected++ }, pipeline, _time, static _ => { }), pipeline);
    }

    private Task<ApplyResult> ApplyAsync(ProxySnapshot snapshot)
    {
        _applied.Enqueue(snapshot.Version);
        _appliedSignal.Release();
        return Task.FromResult(new ApplyResult(snapshot.Version, [], []));
    }
}
