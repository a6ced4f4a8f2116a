using System.Net;
using Mesh.ControlPlane.Coordination;
using Mesh.ControlPlane.Kubernetes;
using Mesh.ControlPlane.Push;
using Mesh.ControlPlane.Registry;
using Mesh.ControlPlane.Status;
using Mesh.ControlPlane.Store;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Mesh.ControlPlane.Hosting;

/// <summary>The whole control plane put together: registry, hub, status and the two listeners. Start once, stop once.</summary>
internal sealed class ControlPlaneServer : IAsyncDisposable
{
    private readonly WebApplication _api;
    private readonly WebApplication _metrics;
    private readonly EndpointRegistry _registry;
    private readonly StatusWriter _status;
    private readonly PushStats _stats = new();
    private readonly CancellationTokenSource _stop = new();
    private readonly ClusterSource? _cluster;
    private readonly Door _door;
    private readonly IPEndPoint _apiAddress;
    private readonly IPEndPoint _metricsAddress;
    private readonly IPEndPoint? _replicaAddress;
    private readonly SharedParts _shared;
    private Task _loops = Task.CompletedTask;
    private volatile bool _isComplete;

    /// <summary>Puts it together; nothing listens yet.</summary>
    /// <param name="options">Completed options.</param>
    /// <param name="door">How the API is guarded.</param>
    /// <param name="store">The rules.</param>
    /// <param name="mapRules">Adds the API of the rules.</param>
    /// <param name="runtime">Clock, chance and log.</param>
    /// <param name="cluster">The cluster that rules and services come from; null without one.</param>
    public ControlPlaneServer(
        ServeOptions options,
        Door door,
        IRuleStore store,
        Action<IEndpointRouteBuilder> mapRules,
        (TimeProvider Time, Random Random, ILoggerProvider Log) runtime,
        ClusterSource? cluster = null)
    {
        _cluster = cluster;
        _door = door;
        _isComplete = cluster is null;
        _apiAddress = options.Listen;
        _metricsAddress = options.MetricsListen!;
        _replicaAddress = options.ReplicaAddress;
        _api = WebHost.Create(_apiAddress, door.Tls, runtime.Log);
        _metrics = WebHost.Create(_metricsAddress, null, runtime.Log);
        ILoggerFactory logs = _api.Services.GetRequiredService<ILoggerFactory>();
        _registry = new EndpointRegistry(runtime.Time, runtime.Random, cluster?.Services);
        _shared = new SharedParts(store, (options, door), cluster, (runtime.Time, runtime.Random, logs));
        _status = new StatusWriter(store, _registry, runtime.Time, logs.CreateLogger<StatusWriter>(),
            cluster is null ? null : new StatusReplicas(() => cluster.Elector.IsLeader, cluster.Board, () => Hub!.Current.Rules))
        {
            Shared = rule => [.. _shared.Circuits.Warnings(rule), .. _shared.Refusals.Of(rule)],
        };
        _shared.Circuits.WarningsChanged += _status.Signal.Set;
        _shared.Refusals.Changed += _status.Signal.Set;
        Hub = new PushHub(store, _registry, runtime.Time, runtime.Random, logs.CreateLogger<PushHub>());

        DoorGuard guard = new(door.Callers, door.Operators, door.Stats);
        _api.Use(next => context => guard.InvokeAsync(context, next));
        _api.Use(next => context => CountRefusalsAsync(context, next));
        _api.Use(next => context => OpenWhenCompleteAsync(context, next));
        new SidecarRoutes(_registry, Hub, _status, _stats, _shared.Coordinator, new VisibleShares(store), guard, runtime.Time).Map(_api, _stop.Token);
        new DebugRoutes(store, _registry, Hub, runtime.Time, () => cluster?.Board.Others.Count ?? 0).Map(_api);
        _shared.Map(_api);
        mapRules(_api);
        Page = new MetricsPage(store, _registry, _stats, door.Stats, cluster) { Shared = _shared.WriteMetrics };
        MapMetrics(runtime.Time);
    }

    /// <summary>The page of metrics; whoever has more to show adds it before the start.</summary>
    public MetricsPage Page { get; }

    /// <summary>The versions; for tests.</summary>
    internal PushHub Hub { get; }

    /// <summary>Binds both listeners and starts the loops; throws <see cref="IOException"/> when an address cannot be bound.</summary>
    /// <param name="print">Receives <c>NAME listening on URL</c> for each listener.</param>
    public async Task StartAsync(Action<string> print)
    {
        await StartAsync(_api, "--listen", _apiAddress);
        await StartAsync(_metrics, "--metrics-listen", _metricsAddress);
        _cluster?.Elector.Address = ReplicaAddress();
        _loops = RunAsync();
        print($"api listening on {WebHost.AddressOf(_api)}");
        print($"metrics listening on {WebHost.AddressOf(_metrics)}");
    }

    /// <summary>Ends the streams, answers what is under way, and returns.</summary>
    public async Task StopAsync()
    {
        await _stop.CancelAsync();
        await _api.StopAsync();
        await _loops;
        await _metrics.StopAsync();
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _loops;
        await _api.DisposeAsync();
        await _metrics.DisposeAsync();
        _shared.Dispose();
        _registry.Dispose();
        _stop.Dispose();
    }

    private static async Task StartAsync(WebApplication app, string option, IPEndPoint address)
    {
        try
        {
            await app.StartAsync();
        }
        catch (Exception error) when (error is IOException or System.Net.Sockets.SocketException)
        {
            Exception cause = error.GetBaseException();
            throw new IOException($"{option} {address}: {cause.Message.ReplaceLineEndings(" ")}; choose another address, or port 0 for any", error);
        }
    }

    private async Task RunAsync()
    {
        Task cluster = Task.CompletedTask;
        if (_cluster is not null)
        {
            cluster = _cluster.RunAsync(_stop.Token);
            await _cluster.FirstLists.WaitAsync(_stop.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            Hub.Refresh(); // before its loop runs: the first stream must not see half of the lists
            _cluster.Elector.Changed += _status.Restart;
        }

        _isComplete = !_stop.IsCancellationRequested;
        await Task.WhenAll(cluster, Hub.RunAsync(_stop.Token), _status.RunAsync(_stop.Token), _shared.RunAsync(_stop.Token));
    }

    // An address that stands for all of a machine's is none that others could dial.
    private string? ReplicaAddress()
    {
        IPEndPoint address = _replicaAddress ?? _apiAddress;
        return address.Address.Equals(IPAddress.Any) || address.Address.Equals(IPAddress.IPv6Any) ? null
            : new IPEndPoint(address.Address, address.Port == 0 ? new Uri(WebHost.AddressOf(_api)).Port : address.Port).ToString();
    }

    /// <summary>A sidecar that asks before the first lists are here would be told that there is nothing, and believe it.</summary>
    private Task OpenWhenCompleteAsync(HttpContext context, RequestDelegate next)
    {
        if (_isComplete || !context.Request.Path.StartsWithSegments("/mesh/v1"))
        {
            return next(context);
        }

        context.Response.Headers.RetryAfter = "1";
        return Answers.TextAsync(context, StatusCodes.Status503ServiceUnavailable, NotReady());
    }

    private string NotReady() => $"waiting for the first lists: {string.Join(", ", _cluster?.Waiting ?? [])}";

    private async Task CountRefusalsAsync(HttpContext context, RequestDelegate next)
    {
        await next(context);
        bool isRefused = context.Response.StatusCode
            is StatusCodes.Status400BadRequest or StatusCodes.Status409Conflict or StatusCodes.Status422UnprocessableEntity;
        if (isRefused && !HttpMethods.IsGet(context.Request.Method) && context.Request.Path.StartsWithSegments("/apis"))
        {
            _stats.CountRejectedWrite();
        }
    }

    private void MapMetrics(TimeProvider time)
    {
        _metrics.MapGet("/metrics", context =>
        {
            context.Response.ContentType = MetricsPage.ContentType;
            return context.Response.WriteAsync(Page.Write(time.GetUtcNow()), context.RequestAborted);
        });
        _metrics.MapGet("/healthz", static context => Answers.TextAsync(context, StatusCodes.Status200OK, "ok"));
        _metrics.MapGet("/readyz", context => _stop.IsCancellationRequested
            ? Answers.TextAsync(context, StatusCodes.Status503ServiceUnavailable, "draining")
            : !_isComplete ? Answers.TextAsync(context, StatusCodes.Status503ServiceUnavailable, NotReady())
            : _door.Missing is { } missing ? Answers.TextAsync(context, StatusCodes.Status503ServiceUnavailable, missing)
            : Answers.TextAsync(context, StatusCodes.Status200OK, "ok"));
    }
}
