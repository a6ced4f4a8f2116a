using Mesh.ControlPlane.Certificates;
using Mesh.ControlPlane.Kubernetes;
using Mesh.ControlPlane.Tests.Kubernetes;
using Mesh.Testing;
using Xunit;

namespace Mesh.ControlPlane.Tests.Certificates;

public sealed class RootConfigMapsTests : IAsyncLifetime, IDisposable
{
    private readonly FakeTimeProvider _time = new();
    private readonly RecordingLoggerFactory _logs = new();
    private readonly CancellationTokenSource _stop = new();
    private ApiDouble _server = null!;
    private KubernetesClient _client = null!;
    private RootConfigMaps _roots = null!;
    private Task _run = Task.CompletedTask;
    private volatile bool _isLeader = true;
    private volatile string? _bundle = "root one\n";

    public async Task InitializeAsync()
    {
        _server = await ApiDouble.StartAsync();
        _server.Objects.Serve("", "namespaces", "v1").Serve("", "configmaps", "v1");
        foreach (string space in (string[])["shop", "store", "kube-system", "kube-public", "kube-node-lease", "ignored"])
        {
            Namespace(space);
        }

        _client = _server.Client(_time);
        _roots = new RootConfigMaps(_client, () => _isLeader, () => _bundle, ["ignored"], (_time, new ScriptedRandom(), _logs.CreateLogger("roots")));
    }

    public async Task DisposeAsync()
    {
        await _stop.CancelAsync();
        await _run.WaitAsync(TimeSpan.FromSeconds(10));
        _client.Dispose();
        await _server.DisposeAsync();
    }

    public void Dispose()
    {
        _stop.Dispose();
        _logs.Dispose();
    }

    [Fact]
    public async Task Run_Namespaces_HaveTheBundleButThoseOfKubernetesAndTheIgnored()
    {
        Run();

        await HoldsAsync(() => Text("shop") == "root one\n" && Text("store") == "root one\n", "both have it");
        Namespace("later");
        await HoldsAsync(() => Text("later") == "root one\n", "so has one that is made later");

        await HoldsAsync(() => _roots is { Missing: 0, Writes: 3 }, "all are right");
        Assert.All((string[])["kube-system", "kube-public", "kube-node-lease", "ignored"], space => Assert.Null(Text(space)));
        Assert.Equal("mesh-control-plane", (string?)_server.Objects.Get("", "configmaps", RootConfigMaps.Name, "shop")!["metadata"]!["labels"]!["app.kubernetes.io/managed-by"]);
    }

    [Fact]
    public async Task Run_EditedOrDeleted_IsPutBack()
    {
        Run();
        await AreRightAsync();

        Put("shop", "somebody's");
        _server.Objects.Delete("", "configmaps", RootConfigMaps.Name, "store");

        await StepUntilAsync(() => Text("shop") == "root one\n" && Text("store") == "root one\n", "both are put back");
    }

    [Fact]
    public async Task Run_SomebodyInsists_IsFoughtMoreAndMoreSlowly()
    {
        Run();
        await AreRightAsync();

        TimeSpan waited = default;
        for (int i = 0; i < 5; i++)
        {
            Put("shop", $"insists {i}");
            await HoldsAsync(() => _roots.Missing == 1, "the edit is seen");
            waited = await StepUntilAsync(() => Text("shop") == "root one\n", "it is put back");
            await HoldsAsync(() => _roots.Missing == 0, "that is seen");
        }

        Assert.InRange(waited, TimeSpan.FromSeconds(7), TimeSpan.FromSeconds(30)); // the fifth time
    }

    [Fact]
    public async Task Run_OtherBundle_IsWrittenEverywhere()
    {
        Run();
        await AreRightAsync();

        _bundle = "root one\nroot two\n";
        _roots.Wake();

        await StepUntilAsync(() => Text("shop") == _bundle && Text("store") == _bundle, "both have the next root, too");
    }

    [Fact]
    public async Task Run_OneIsForbidden_OthersAreServedAndItIsTriedAgain()
    {
        _server.Fail("/namespaces/shop/configmaps", 403);
        Run();

        await HoldsAsync(() => Text("store") == "root one\n", "the other one has it");
        Namespace("later");
        await HoldsAsync(() => Text("later") == "root one\n", "and one that is made later");
        await HoldsAsync(() => _roots.Missing == 1, "only the one is missing");
        Assert.Contains("shop: fault 403", Assert.Single(_logs.Warnings), StringComparison.Ordinal);
        _server.Mend();

        await StepUntilAsync(() => Text("shop") == "root one\n", "it has it once that is mended");
        Assert.Single(_logs.Warnings);
    }

    [Fact]
    public async Task Run_TimeOfOneComesWhileAnotherIsWritten_IsTriedAtOnce()
    {
        _server.Fail("/namespaces/shop/configmaps", 403, times: 1);
        Run();
        await HoldsAsync(() => _logs.Warnings.Count > 0 && Text("store") is not null, "the one has failed and waits");

        _server.Coming = request => _time.Advance(request.Contains("POST /api/v1/namespaces/later/", StringComparison.Ordinal) ? TimeSpan.FromSeconds(3) : TimeSpan.Zero);
        Namespace("later");

        await HoldsAsync(() => Text("later") is not null && Text("shop") is not null, "both are written, and the clock is touched no more");
        Assert.DoesNotContain(_logs.Entries, static entry => entry.Text.Contains("Unexpected", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Run_SameFailureAfterAllWasRight_IsNews()
    {
        _server.Fail("/namespaces/shop/configmaps", 403);
        Run();
        await HoldsAsync(() => _logs.Warnings.Count == 1, "it is said");
        _server.Mend();
        await StepUntilAsync(() => Text("shop") == "root one\n", "it is mended");
        await AreRightAsync();

        _server.Fail("/namespaces/shop/configmaps", 403);
        Namespace("turn"); // once this is written, the loop has seen that all was right
        await StepUntilAsync(() => Text("turn") is not null && _roots.Missing == 0, "a round in which nothing is wrong");
        Put("shop", "somebody's");

        await StepUntilAsync(() => _logs.Warnings.Count == 2, "it is said again");
    }

    [Fact]
    public async Task Run_NamespaceThatGoes_IsLeftAlone()
    {
        _server.Objects.Put("", "namespaces", "{metadata: {name: going}, status: {phase: Terminating}}");
        Run();
        await HoldsAsync(() => Text("shop") is not null && Text("store") is not null, "the others have it");

        Assert.Null(Text("going"));
        Assert.Equal(0, _server.Count("/namespaces/going/"));
    }

    [Fact]
    public async Task Run_RightAlready_WritesNothing()
    {
        Put("shop", "root one\n");
        Put("store", "root one\n");
        Run();

        await HoldsAsync(() => _roots.Loops.All(static loop => loop.FirstList.IsCompleted), "all is listed");
        Namespace("later"); // what is written after that, the loop has seen the others
        await HoldsAsync(() => Text("later") is not null, "only this one is missing");

        await HoldsAsync(() => _roots.Writes == 1, "and only this one is written");
        Assert.Equal(0, _server.Count("PUT "));
    }

    [Fact]
    public async Task Run_NotTheLeader_WritesNothingUntilItLeads()
    {
        _isLeader = false;
        Run();
        await HoldsAsync(() => _roots.Missing == 2, "it sees what is missing");
        Assert.Equal(0, _server.Count("POST "));

        _isLeader = true;
        _roots.Wake();

        await HoldsAsync(() => _roots.Missing == 0, "now it writes");
    }

    [Fact]
    public async Task Run_NoBundleYet_WaitsForIt()
    {
        _bundle = null;
        Run();
        await HoldsAsync(() => _server.Objects.Watches("configmaps") == 1 && _server.Objects.Watches("namespaces") == 1, "all is watched");
        await HoldsAsync(() => _roots.Missing == 2, "both are missing it");
        Assert.Equal(0, _server.Count("POST "));

        _bundle = "first\n";
        _roots.Wake();

        await HoldsAsync(() => Text("shop") == "first\n", "it is written");
    }

    [Fact]
    public async Task Watch_AsksForItsOwnConfigMapsOnly()
    {
        _server.Objects.Put("", "configmaps", "{metadata: {name: other, namespace: shop}, data: {root-cert.pem: other}}");
        Run();
        await HoldsAsync(() => _server.Objects.Watches("configmaps") == 1, "they are watched");

        Assert.Equal(1, _server.Count("GET /api/v1/configmaps?limit=500&fieldSelector=metadata.name%3Dmesh-ca-root-cert"));
        Assert.Equal(1, _server.Count("&fieldSelector=metadata.name%3Dmesh-ca-root-cert") - 1); // and the watch
    }

    private static Task HoldsAsync(Func<bool> condition, string what) => Eventually.HoldsAsync(condition, what);

    private Task AreRightAsync() => HoldsAsync(() => Text("shop") == _bundle && Text("store") == _bundle && _roots.Missing == 0, "all are right");

    private void Run() => _run = _roots.RunAsync(_stop.Token);

    private void Namespace(string name) => _server.Objects.Put("", "namespaces", $"{{metadata: {{name: {name}}}, status: {{phase: Active}}}}");

    private void Put(string space, string text) => _server.Objects.Put(
        "", "configmaps", $"{{metadata: {{name: {RootConfigMaps.Name}, namespace: {space}}}, data: {{root-cert.pem: \"{text.Replace("\n", "\\n", StringComparison.Ordinal)}\"}}}}");

    private string? Text(string space) => (string?)_server.Objects.Get("", "configmaps", RootConfigMaps.Name, space)?["data"]?["root-cert.pem"];

    private async Task<TimeSpan> StepUntilAsync(Func<bool> condition, string what)
    {
        long begin = _time.GetTimestamp();
        await HoldsAsync(
            () =>
            {
                if (condition())
                {
                    return true;
                }

                _time.Advance(TimeSpan.FromMilliseconds(10));
                return false;
            },
            what);
        return _time.GetElapsedTime(begin);
    }
}
