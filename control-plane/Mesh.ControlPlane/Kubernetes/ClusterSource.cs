using System.Collections.Immutable;
using Mesh.ControlPlane.Certificates;
using Microsoft.Extensions.Logging;

namespace Mesh.ControlPlane.Kubernetes;

/// <summary>Everything that a cluster brings: its rules, its services, and the election of the replica that writes to it. Start once.</summary>
internal sealed class ClusterSource : IDisposable
{
    /// <summary>Name of the lease.</summary>
    public const string LeaseName = "mesh-control-plane";

    /// <summary>Name of the lease on which the replicas tell each other of their sidecars.</summary>
    public const string BoardName = "mesh-control-plane-replicas";

    /// <summary>Puts it together; nothing is asked yet.</summary>
    /// <param name="server">The cluster's API server.</param>
    /// <param name="identity">Who we are in the election; unique for each start.</param>
    /// <param name="runtime">Clock, chance and log.</param>
    public ClusterSource(ApiServer server, string identity, (TimeProvider Time, Random Random, ILoggerFactory Logs) runtime)
    {
        (TimeProvider time, Random random, ILoggerFactory logs) = runtime;
        ILogger log = logs.CreateLogger("Kubernetes");
        (Namespace, Operators) = (server.Namespace, server.Operators);
        Client = new KubernetesClient(server, time);
        string leases = server.LeaseNamespace ?? server.Namespace;
        Elector = new LeaderElector(Client, new ObjectKey(leases, LeaseName), identity, (time, random, log));
        Board = new ReplicaBoard(Client, new ObjectKey(leases, BoardName), identity, () => Elector.IsLeader, (time, random, log));
        Statuses = new StatusQueue(Client, () => Elector.IsLeader, time, random, logs.CreateLogger<StatusQueue>());
        Rules = new ClusterRules(logs.CreateLogger<ClusterRules>()) { StatusWanted = Statuses.Offer };
        IEnumerable<(ResourceType Type, IWatchSink Sink)> tables = Rules.Tables.Select(static t => (ResourceType.Of(t.Kind), t.Sink)).Concat(Services.Tables);
        Loops = [.. tables.Select(table => new WatchLoop(Client, table.Type, table.Sink, (time, random, log)))];
    }

    /// <summary>The namespace in which we live.</summary>
    public string Namespace { get; }

    /// <summary>Namespace whose service accounts are operators; empty for none.</summary>
    public string Operators { get; }

    /// <summary>Talks to the cluster.</summary>
    public KubernetesClient Client { get; }

    /// <summary>The rules.</summary>
    public ClusterRules Rules { get; }

    /// <summary>Services and endpoints.</summary>
    public ClusterServices Services { get; } = new();

    /// <summary>Who writes.</summary>
    public LeaderElector Elector { get; }

    /// <summary>What the other replicas say of their sidecars.</summary>
    public ReplicaBoard Board { get; }

    /// <summary>Statuses on their way.</summary>
    public StatusQueue Statuses { get; }

    /// <summary>Writes the roots that sidecars trust; null when they get them by other ways. Set before <see cref="RunAsync"/>.</summary>
    public RootConfigMaps? Roots { get; set; }

    /// <summary>One watch for each resource that sidecars hear of.</summary>
    public ImmutableArray<WatchLoop> Loops { get; }

    /// <summary>Completes when all resources have been listed once: before that, what is missing here may be there.</summary>
    public Task FirstLists => Task.WhenAll(Loops.Select(static loop => loop.FirstList));

    /// <summary>The resources that <see cref="FirstLists"/> waits for, and why.</summary>
    public IEnumerable<string> Waiting => Loops.Where(static loop => !loop.FirstList.IsCompleted)
        .Select(static loop => loop.Trouble is { } trouble ? $"{loop.Type.Name} ({trouble})" : loop.Type.Name);

    /// <summary>Follows the cluster until <paramref name="stop"/>.</summary>
    public Task RunAsync(CancellationToken stop) =>
        Task.WhenAll([
            .. Loops.Select(loop => loop.RunAsync(stop)), Elector.RunAsync(stop), Board.RunAsync(stop), Statuses.RunAsync(stop),
            Roots?.RunAsync(stop) ?? Task.CompletedTask,
        ]);

    /// <inheritdoc/>
    public void Dispose() => Client.Dispose();
}
