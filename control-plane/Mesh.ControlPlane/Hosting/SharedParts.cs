using System.Text;
using Mesh.ControlPlane.Coordination;
using Mesh.ControlPlane.Kubernetes;
using Mesh.ControlPlane.Otlp;
using Mesh.ControlPlane.Store;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.Logging;

namespace Mesh.ControlPlane.Hosting;

/// <summary>What callers share, put together: circuits, limits, who decides on them, and the pages about it.</summary>
internal sealed class SharedParts : IDisposable
{
    private readonly SharedLimits _limits;
    private readonly ReplicaLink? _link;
    private readonly ReplicaRoutes? _replicas;
    private readonly OtlpExporter? _otlp;
    private readonly HttpMessageInvoker? _otlpHttp;

    /// <summary>Puts it together.</summary>
    /// <param name="store">The rules.</param>
    /// <param name="door">Completed options and our door: how other replicas are reached.</param>
    /// <param name="cluster">The cluster in which replicas find each other; null for one process that decides alone.</param>
    /// <param name="runtime">Clock, chance and log.</param>
    public SharedParts(IRuleStore store, (ServeOptions Options, Door Door) door, ClusterSource? cluster, (TimeProvider Time, Random Random, ILoggerFactory Logs) runtime)
    {
        TimeSpan? settling = cluster is null ? null : ReplicaLink.Settling;
        Circuits = new SharedCircuits(store, runtime.Time, runtime.Random, runtime.Logs.CreateLogger<SharedCircuits>(), settling);
        _limits = new SharedLimits(name => LimitTotals.Of(store.Current, name), runtime.Time, settling);
        RelayedReports relay = new(runtime.Time);
        Coordinator = new MeshCoordinator(runtime.Time, [Circuits, _limits], cluster is null ? null : (() => cluster.Elector.IsLeader, relay));
        if (cluster is not null)
        {
            ReplicaAccess access = new(door.Options, door.Door);
            _link = new ReplicaLink(Coordinator, relay, () => cluster.Elector.LeaderAddress, access.At, (runtime.Time, runtime.Logs.CreateLogger<ReplicaLink>()));
            _replicas = new ReplicaRoutes(Coordinator, _link);
        }

        if (door.Options.OtlpEndpoint is { } collector)
        {
            _otlpHttp = new HttpMessageInvoker(new SocketsHttpHandler { UseProxy = false, ConnectTimeout = TimeSpan.FromSeconds(2) });
            _otlp = new OtlpExporter(
                collector, () => Coordinator.Run(_ => (CircuitFigures.Of(Circuits.All), false)), _otlpHttp, runtime.Time, CommandLine.Version, runtime.Logs.CreateLogger<OtlpExporter>());
        }
    }

    /// <summary>Decides.</summary>
    public MeshCoordinator Coordinator { get; }

    /// <summary>The circuits.</summary>
    public SharedCircuits Circuits { get; }

    /// <summary>What of the limits is not shared.</summary>
    public LimitRefusals Refusals => _limits.Refusals;

    /// <summary>Adds the pages.</summary>
    public void Map(IEndpointRouteBuilder routes)
    {
        new BreakerRoutes(Coordinator, Circuits, _replicas).Map(routes);
        _replicas?.Map(routes);
        routes.MapGet("/mesh/v1/limits", context => Coordinator.Leads || _replicas is null
            ? Answers.JsonAsync(context, Coordinator.Run(_ => (_limits.Page(), false)))
            : _replicas.PassOnAsync(context, null));
    }

    /// <summary>Adds the metrics.</summary>
    public void WriteMetrics(StringBuilder page)
    {
        _otlp?.Write(page);
        Coordinator.Run(_ =>
        {
            CircuitMetrics.Write(page, [.. Circuits.All]);
            return (true, false);
        });
    }

    /// <summary>Lets time pass for what is shared, keeps the link to the replica that decides, and sends figures to the collector, until <paramref name="stop"/>.</summary>
    public Task RunAsync(CancellationToken stop) => Task.WhenAll(Coordinator.RunAsync(stop), _link?.RunAsync(stop) ?? Task.CompletedTask, _otlp?.RunAsync(stop) ?? Task.CompletedTask);

    /// <inheritdoc/>
    public void Dispose()
    {
        _link?.Dispose();
        _otlpHttp?.Dispose();
    }
}
