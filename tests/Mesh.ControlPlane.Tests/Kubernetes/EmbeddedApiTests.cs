using System.Text.Json.Nodes;
using Mesh.ControlPlane.Kubernetes;
using Mesh.ControlPlane.Tests.Api;
using Mesh.Rules.Reading;
using Mesh.Testing;
using Microsoft.Extensions.Logging;
using Xunit;

namespace Mesh.ControlPlane.Tests.Kubernetes;

/// <summary>The client against our own embedded API: two implementations of the same conventions, written apart.</summary>
public sealed class EmbeddedApiTests : IAsyncLifetime, IDisposable
{
    private static readonly RuleKey A = new("DestinationRule", "default", "a");
    private readonly CancellationTokenSource _stop = new();
    private readonly RecordingLoggerFactory _logs = new();
    private ApiBench _api = null!;
    private ClusterSource _cluster = null!;
    private Task _run = Task.CompletedTask;

    public async Task InitializeAsync()
    {
        _api = await ApiBench.StartAsync();
        _cluster = new ClusterSource(new ApiServer(_api.Client.BaseAddress!), "me", (TimeProvider.System, new Random(1), _logs));
        _run = _cluster.RunAsync(_stop.Token);
        await _cluster.FirstLists.WaitAsync(TimeSpan.FromSeconds(10));
    }

    public async Task DisposeAsync()
    {
        await _stop.CancelAsync();
        await _run.WaitAsync(TimeSpan.FromSeconds(10));
        _cluster.Dispose();
        await _api.DisposeAsync();
    }

    public void Dispose()
    {
        _stop.Dispose();
        _logs.Dispose();
    }

    [Fact]
    public async Task Rules_AppliedChangedDeleted_AreFollowed()
    {
        await _api.CreateAsync(ApiBench.Rule("a"));
        await Eventually.HoldsAsync(() => _cluster.Rules.Current.Rules.ContainsKey(A), "the rule is here");
        await _api.MergeAsync("a", """{"spec":{"host":"orders"}}""");
        await Eventually.HoldsAsync(() => _cluster.Rules.Current.Rules[A].Document.Generation == 2, "the change is here");
        string host = (string)_cluster.Rules.Current.Rules[A].Object["spec"]!["host"]!;
        await _api.SendAsync(HttpMethod.Delete, $"{ApiBench.RulesPath}/a");

        await Eventually.HoldsAsync(() => _cluster.Rules.Current.Rules.IsEmpty, "the deletion is here");

        Assert.Equal("orders", host);
    }

    [Fact]
    public async Task Status_Written_StandsInTheObject()
    {
        await _api.CreateAsync(ApiBench.Rule("a"));
        await Eventually.HoldsAsync(() => _cluster.Rules.Current.Rules.ContainsKey(A), "the rule is here");
        using KubernetesClient client = new(new ApiServer(_api.Client.BaseAddress!), TimeProvider.System);
        StatusQueue queue = new(client, static () => true, TimeProvider.System, new Random(1), _logs.CreateLogger<StatusQueue>());
        Task run = queue.RunAsync(_stop.Token);
        JsonObject status = RuleJson.FromYaml("""
            observedGeneration: 1
            conditions: [{type: Accepted, status: "True", reason: Accepted, message: the rule is valid, lastTransitionTime: "2030-01-01T00:00:00Z"}]
            """).Object!;

        queue.Offer(A, _cluster.Rules.Current.Rules[A].Object, status);
        await Eventually.HoldsAsync(() => _cluster.Rules.Current.Rules[A].Object["status"] is not null, "the status came back through the watch");

        ApiReply reply = await _api.GetAsync($"{ApiBench.RulesPath}/a");
        Assert.True(JsonNode.DeepEquals(status, reply.Json["status"]), reply.Text);
        await _stop.CancelAsync();
        await run;
    }

    [Fact]
    public void Start_WhatItDoesNotServe_IsSaidOnceEach()
    {
        string[] warnings = [.. _logs.Warnings.Where(static w => w.Contains("does not serve", StringComparison.Ordinal)).Select(static w => w.Split(' ')[0])];

        Assert.Equal(["endpointslices.discovery.k8s.io", "nodes", "pods", "services"], warnings.Order());
    }
}
