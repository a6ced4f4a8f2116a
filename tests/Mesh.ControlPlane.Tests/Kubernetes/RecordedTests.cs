using System.Text.Json;
using Mesh.ControlPlane.Kubernetes;
using Mesh.Rules.Wire;
using Xunit;

namespace Mesh.ControlPlane.Tests.Kubernetes;

/// <summary>
/// Watches of a real kube-apiserver (1.32), as they came over the wire: a dual-stack service, a headless and an external one, pods that start, and one that is deleted
/// with its grace. So the objects are those of Kubernetes, not those that we believe it to have.
/// </summary>
public sealed class RecordedTests
{
    private const string Reviews = "reviews.shop.svc.cluster.local";
    private readonly ClusterServices _cluster = new();
    private readonly List<string> _history = [];

    public RecordedTests() => _cluster.Changed += () =>
    {
        string now = string.Join(" ", _cluster.Current.Endpoints.GetValueOrDefault(Reviews, []).Where(static e => e.ServicePort == 80).Select(static e => $"{e.Address}/{e.Version}"));
        if (_history.Count == 0 || _history[^1] != now)
        {
            _history.Add(now);
        }
    };

    [Fact]
    public async Task Replay_PodComesAndGoes_ItsEndpointDoesToo()
    {
        await ReplayAsync();

        Assert.Equal(
            [
                "", // the service alone
                "10.244.0.1:8080/latest", // r1: its pod event is not in the recording
                "10.244.0.1:8080/latest 10.244.0.2:8080/v2",
                "10.244.0.1:8080/latest", // r2 is on its way out; r3 was never ready
            ],
            _history);
    }

    [Fact]
    public async Task Replay_Services_HaveTheirPortsAndAddresses()
    {
        await ReplayAsync();

        MeshService reviews = _cluster.Current.Services[Reviews];
        Assert.Equal([new MeshServicePort(80, "HTTP"), new MeshServicePort(9000, "TCP")], reviews.Ports.AsEnumerable());
        Assert.Equal(["10.0.0.195", "fd00:10::9586"], reviews.Addresses.AsEnumerable());
        Assert.Empty(_cluster.Current.Services["hl.shop.svc.cluster.local"].Addresses);
        Assert.DoesNotContain("ext.shop.svc.cluster.local", _cluster.Current.Services.Keys);
    }

    private async Task ReplayAsync()
    {
        await using FileStream file = File.OpenRead(Path.Combine(AppContext.BaseDirectory, "Kubernetes", "Recorded", "kube-apiserver-1.32.jsonl"));
        using HttpResponseMessage answer = new();
        using WatchStream stream = new(answer, file);
        while (true)
        {
            WatchRead read = await stream.ReadAsync(default);
            Assert.Null(read.Failure);
            if (read.IsEnd)
            {
                return;
            }

            using WatchEvent happened = read.Event!;
            JsonElement obj = happened.Object;
            IWatchSink sink = _cluster.Tables.Single(t => t.Type.Plural == obj.Text("kind").ToLowerInvariant() + "s").Sink;
            switch (happened.Type)
            {
                case "ADDED" or "MODIFIED":
                    sink.Set(obj);
                    break;
                case "DELETED":
                    sink.Remove(obj);
                    break;
                default:
                    Assert.Equal("BOOKMARK", happened.Type);
                    break;
            }
        }
    }
}
