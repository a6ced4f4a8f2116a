using System.Collections.Immutable;
using System.Net;
using Mesh.Proxy.Hosting;
using Mesh.Proxy.Infrastructure;
using Mesh.Proxy.Telemetry;
using Mesh.Proxy.Tests.Component;
using Mesh.Rules.Compilation;
using Mesh.Rules.Reading;
using Mesh.Testing;
using Xunit;

namespace Mesh.Proxy.Tests.Hosting;

/// <summary>A whole proxy on loopback that runs rules as the user wrote them: from YAML through the compiler to the wire.</summary>
internal sealed class RuleHarness : IAsyncDisposable
{
    private readonly SnapshotCompiler _compiler = new();
    private readonly ProxyIdentity _who;

    private RuleHarness(ProxyIdentity who)
    {
        NoSynchronizationContext.Use();
        _who = who;
        ProxyOptions options = new()
        {
            Outbound = new IPEndPoint(IPAddress.Loopback, 0),
            Inbound = new IPEndPoint(IPAddress.Loopback, 0),
            InboundCluster = "inbound|8080||",
            Concurrency = 1,
        };
        Host = new ProxyHost(new ProxyRuntime(TimeProvider.System, new Random(7), Log), options, Stats, new RecordingSink(), static _ => { });
    }

    public RecordingLoggerFactory Log { get; } = new();

    public ProxyStats Stats { get; } = new();

    public ProxyHost Host { get; }

    /// <summary>A proxy of <paramref name="labels"/> in namespace default, its application behind it if there is one.</summary>
    public static async Task<RuleHarness> StartAsync(string rules, Backend? app = null, params string[] labels)
    {
        ImmutableSortedDictionary<string, string> own = labels.Select(static l => l.Split('=')).ToImmutableSortedDictionary(static l => l[0], static l => l[1]);
        RuleHarness harness = new(new ProxyIdentity("default", "me", 8080, app is null ? "" : $"127.0.0.1:{app.Port}", own, "here/a/b"));
        await harness.Host.StartAsync(CancellationToken.None);
        await harness.ApplyAsync(rules);
        return harness;
    }

    /// <summary>An entry of the spec given, as a document.</summary>
    public static string Rule(string kind, string name, string spec, string space = "default") =>
        $"apiVersion: networking.istio.io/v1\nkind: {kind}\nmetadata: {{name: {name}, namespace: {space}}}\nspec: {spec}\n---\n";

    /// <summary>Puts exactly these rules in force.</summary>
    public async Task ApplyAsync(string rules)
    {
        MeshView view = new()
        {
            Rules = RuleReader.ReadYaml(rules, "test.yaml")
                .Select(static r => r.Document ?? throw new Xunit.Sdk.XunitException(string.Join("\n", r.Diagnostics)))
                .ToImmutableDictionary(static r => r.Key),
        };
        Assert.True((await Host.Applier.ApplyAsync(_compiler.Compile(_who, view, "1").Snapshot)).IsAccepted);
    }

    /// <summary>Asks for <c>/</c> of a host: what the upstream answers, or the status of a refusal.</summary>
    public Task<string> AskAsync(string host) => AskAsync(Host.Outbound!, host);

    /// <summary>Calls the own application as a peer does.</summary>
    public Task<string> AskAppAsync() => AskAsync(Host.Inbound!, "me");

    /// <summary>What one request over a connection of its own brings.</summary>
    public static async Task<string> AskAsync(IPEndPoint address, string host)
    {
        using SocketPeer client = await SocketPeer.ConnectAsync(address);
        await client.SendAsync($"GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        string answer = await client.ReadToEndAsync();
        return answer.StartsWith("HTTP/1.1 200 ", StringComparison.Ordinal) ? answer[(answer.IndexOf("\r\n\r\n", StringComparison.Ordinal) + 4)..]
            : answer.Length > 12 ? answer[9..12] : answer;
    }

    public async ValueTask DisposeAsync()
    {
        await Host.DisposeAsync();
        Assert.Equal(0, Stats.UnexpectedExceptions.Value);
    }
}
