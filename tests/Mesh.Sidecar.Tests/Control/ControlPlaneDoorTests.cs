using System.Collections.Concurrent;
using Mesh.Proxy.Config;
using Mesh.Proxy.Infrastructure;
using Mesh.Rules.Compilation;
using Mesh.Rules.Wire;
using Mesh.Sidecar.Control;
using Mesh.Sidecar.Rules;
using Mesh.Testing;
using Xunit;

namespace Mesh.Sidecar.Tests.Control;

/// <summary>A control plane behind TLS that asks for a token: whom the sidecar takes for it, and what it shows.</summary>
public sealed class ControlPlaneDoorTests : IAsyncLifetime, IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);
    private static readonly SidecarRegistration Registration = new() { Service = "", Port = 0, Namespace = "shop", Address = "10.0.0.7:15006", Node = "orders-1.shop" };
    private readonly TestAuthority _authority = new("mesh root");
    private readonly Scratch _scratch = new();
    private readonly ConcurrentQueue<string> _shown = new();
    private readonly CancellationTokenSource _stop = new();
    private readonly List<HttpMessageInvoker> _clients = [];
    private FakeControlPlane _control = null!;
    private Task _running = Task.CompletedTask;
    private string _token = "";

    public async Task InitializeAsync()
    {
        _control = await FakeControlPlane.StartAsync(certificate: _authority.Issue("localhost"));
        _control.LetsIn = header =>
        {
            _shown.Enqueue(header);
            return header == $"Bearer {_token}";
        };
    }

    public async Task DisposeAsync()
    {
        await _stop.CancelAsync();
        await _running.WaitAsync(Patience);
        await _control.DisposeAsync();
    }

    public void Dispose()
    {
        _clients.ForEach(static c => c.Dispose());
        _stop.Dispose();
        _scratch.Dispose();
        _authority.Dispose();
    }

    [Fact]
    public async Task RightRootAndToken_LetIn()
    {
        ControlPlaneApi api = Api(_authority.RootFile, TokenFile("t1"));
        _token = "t1";

        Assert.Equal("s 1", (await RegisterAsync(api)).Id);
        Assert.NotNull(await api.ReportAsync("s 1", new SidecarReport(), CancellationToken.None));
        Assert.All(_shown, static s => Assert.Equal("Bearer t1", s));
    }

    [Fact]
    public async Task ForeignRoot_IsRefused_AndTheTokenStaysHere()
    {
        using TestAuthority other = new("other root");

        string problem = await ProblemAsync(Api(other.RootFile, TokenFile("t1")));

        Assert.StartsWith($"the control plane's certificate is not signed by a root in {other.RootFile}", problem, StringComparison.Ordinal);
        Assert.Empty(_shown);
    }

    [Fact]
    public async Task OtherName_IsRefused()
    {
        _control.Certificate = _authority.Issue("mesh.example");

        Assert.Equal(
            "the control plane's certificate is for mesh.example, not for its name in --control-plane", await ProblemAsync(Api(_authority.RootFile, TokenFile("t1"))));
        Assert.Empty(_shown);
    }

    [Theory]
    [InlineData(null, "--control-plane-ca: Could not find file")]
    [InlineData("", "holds no certificate (PEM)")]
    [InlineData("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "--control-plane-ca: ")]
    public async Task FileWithoutRoots_IsNamed(string? text, string expected) =>
        Assert.Contains(expected, await ProblemAsync(Api(_scratch.File("ca.pem", text), TokenFile("t1"))), StringComparison.Ordinal);

    [Theory]
    [InlineData(null, "--control-plane-token: Could not find file")]
    [InlineData(" \n", "holds no token")]
    [InlineData("two\nlines", "holds no token")]
    public async Task FileWithoutToken_IsNamed(string? text, string expected)
    {
        Assert.Contains(expected, await ProblemAsync(Api(_authority.RootFile, _scratch.File("t", text))), StringComparison.Ordinal);
        Assert.Empty(_shown);
    }

    [Fact]
    public async Task RootsThatRotate_AreReadAnew()
    {
        using TestAuthority next = new("next root");
        string bundle = _scratch.File("ca.pem", _authority.Root.ExportCertificatePem() + "\n");
        _token = "t1";
        await RegisterAsync(Api(bundle, TokenFile("t1")));
        _control.Certificate = next.Issue("localhost");

        ControlPlaneApi api = Api(bundle, TokenFile("t1")); // connections of its own: a handshake
        await ProblemAsync(api);
        _scratch.File("ca.pem", _authority.Root.ExportCertificatePem() + "\n" + next.Root.ExportCertificatePem());

        Assert.Equal("s 1", (await RegisterAsync(api)).Id);
    }

    [Fact]
    public async Task TokenThatWasReplaced_IsShownTheNextTime()
    {
        ControlPlaneApi api = Api(_authority.RootFile, TokenFile("t1"));
        _token = "t1";
        await RegisterAsync(api);

        (_token, _) = ("t2", TokenFile("t2"));

        Assert.NotNull(await api.ReportAsync("s 1", new SidecarReport(), CancellationToken.None));
    }

    [Fact]
    public async Task TokenThatIsReplacedMeanwhile_IsReadAgain()
    {
        ControlPlaneApi api = Api(_authority.RootFile, TokenFile("t1"));
        _control.LetsIn = header =>
        {
            _shown.Enqueue(header);
            TokenFile("t2"); // kubelet, between reading and arrival
            return header == "Bearer t2";
        };

        Assert.Equal("s 1", (await RegisterAsync(api)).Id);
        Assert.Equal(["Bearer t1", "Bearer t2"], _shown);
    }

    [Fact]
    public async Task RefusedToken_IsShownOnce_AndTheAnswerIsTold()
    {
        Assert.Equal("it answers 401: the token is not valid", await ProblemAsync(Api(_authority.RootFile, TokenFile("bad"))));
        Assert.Single(_shown);
    }

    [Fact]
    public async Task FilesThatComeLater_AreWaitedFor_AndSaidOnce()
    {
        using RecordingLoggerFactory log = new();
        ProxyRuntime runtime = new(TimeProvider.System, new Random(7), log);
        SnapshotPipeline pipeline = new(TestRules.Identity, new SnapshotCompiler(), static s => Task.FromResult(new ApplyResult(s.Version, [], [])));
        string roots = _scratch.File("later.pem");
        SnapshotClient client = new(Api(roots, TokenFile("t1")), pipeline, TestRules.Read, null, runtime);
        _token = "t1";
        _running = client.RunAsync(Registration, _stop.Token);
        await Eventually.HoldsAsync(() => log.Entries.Any(static e => e.Text.Contains("later.pem", StringComparison.Ordinal)), "the missing file is said");

        _scratch.File("later.pem", _authority.Root.ExportCertificatePem());

        Assert.Equal("orders-1.shop", (await FakeControlPlane.NextAsync(_control.Registrations)).Node);
        Assert.Single(log.Entries, static e => e.Text.Contains("later.pem", StringComparison.Ordinal));
    }

    private static Task<SidecarRegistered> RegisterAsync(ControlPlaneApi api) => api.RegisterAsync(Registration, CancellationToken.None).WaitAsync(Patience);

    private static async Task<string> ProblemAsync(ControlPlaneApi api) => (await Assert.ThrowsAnyAsync<HttpRequestException>(() => RegisterAsync(api))).Message;

    private string TokenFile(string token)
    {
        File.Move(_scratch.File($"token.{Guid.NewGuid():N}", token + "\n"), _scratch.File("token"), overwrite: true);
        return _scratch.File("token");
    }

    private ControlPlaneApi Api(string roots, string token)
    {
        ControlPlaneTrust trust = new(roots);
        _clients.Add(ControlPlaneApi.CreateClient(trust));
        return new ControlPlaneApi(_clients[^1], [new Uri($"https://localhost:{_control.Address.Port}")], TimeProvider.System) { Trust = trust, Token = new ControlPlaneToken(token) };
    }
}
