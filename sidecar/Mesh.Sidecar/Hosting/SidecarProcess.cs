using System.Collections.Immutable;
using System.Diagnostics.CodeAnalysis;
using System.Net;
using System.Net.Sockets;
using Mesh.Proxy.Hosting;
using Mesh.Proxy.Infrastructure;
using Mesh.Proxy.Telemetry;
using Mesh.Proxy.Transport;
using Mesh.Rules.Compilation;
using Mesh.Rules.Reading;
using Mesh.Rules.Wire;
using Mesh.Sidecar.Admin;
using Mesh.Sidecar.Agent;
using Mesh.Sidecar.Control;
using Mesh.Sidecar.Options;
using Mesh.Sidecar.Rules;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace Mesh.Sidecar.Hosting;

/// <summary>One sidecar from start to end: binds, takes rules, runs, drains. Everything from outside comes in through the constructor.</summary>
internal sealed partial class SidecarProcess : IAsyncDisposable
{
    private static readonly TimeSpan FarewellTime = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan MinimumInPod = TimeSpan.FromSeconds(5); // Istio's MINIMUM_DRAIN_DURATION
    private static readonly TimeSpan ConnectionsInterval = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan PauseAfterBug = TimeSpan.FromSeconds(1);

    private readonly SidecarOptions _options;
    private readonly IPEndPoint? _app;
    private readonly ProxyRuntime _runtime;
    [SuppressMessage("Usage", "CA2213", Justification = "Owned by the caller, who still logs afterwards.")]
    private readonly StandardErrorLog _log;

    private readonly ILogger _logger;
    private readonly ProxyStats _stats = new();
    private readonly AccessLog? _accessLog;
    private readonly ProxyHost _proxy;
    private readonly SnapshotPipeline _pipeline;
    private readonly AdminServer _admin;
    private readonly AppClient? _appClient;
    private readonly HttpMessageInvoker? _http;
    private readonly SnapshotClient? _client;
    private readonly RulesFolder? _folder;
    private readonly List<IPEndPoint> _ownAddresses = [];
    private readonly CancellationTokenSource _rulesStop = new();
    private Task _rules = Task.CompletedTask;

    /// <summary>Puts the parts together; nothing is bound yet.</summary>
    /// <param name="options">Settings.</param>
    /// <param name="app">Address of the application; null when there is none.</param>
    /// <param name="accessLog">Where the access log goes; null for none. Owned from now on.</param>
    /// <param name="time">Clock.</param>
    /// <param name="random">Chance, thread-safe.</param>
    /// <param name="log">Log.</param>
    public SidecarProcess(SidecarOptions options, IPEndPoint? app, Stream? accessLog, TimeProvider time, Random random, StandardErrorLog log)
    {
        _options = options;
        _app = app;
        _log = log;
        _runtime = new ProxyRuntime(time, random, log);
        _logger = log.CreateLogger<SidecarProcess>();
        StandardMetrics metrics = new(new WorkloadLabels(options.Workload ?? options.Service, options.Namespace, options.Version), CommandLine.Version);
        _accessLog = accessLog is null ? null : new AccessLog(accessLog, options.AccessLogFormat);
        EjectionLog ejections = new(log.Line);
        _proxy = new ProxyHost(
            _runtime,
            new ProxyOptions
            {
                Outbound = options.Outbound,
                Inbound = options.Inbound,
                InboundCluster = options.Pod is null ? $"inbound|{options.ServicePort}||" : null,
                OwnAddresses = _ownAddresses,
                Limits = options.Limits,
                Transport = options.Transport,
                Concurrency = options.Concurrency,
                Dns = options.Dns,
                Interception = options.Interception,
                PassthroughSource = options.PassthroughSource,
            },
            _stats,
            _accessLog is null ? metrics : new RequestSinks(metrics, _accessLog),
            ejections.Add);
        _proxy.Clusters.Instance = options.Pod ?? options.Node ?? string.Create(System.Globalization.CultureInfo.InvariantCulture, $"{options.Service}-{random.Next():x8}"); // unique before the control plane has given an id
        _proxy.Clusters.OnBreaker = ejections.Add;
        _proxy.Clusters.OnConcurrency = ejections.Add;
        ProxyIdentity identity = new(
            options.Namespace, options.Workload ?? options.Service, options.ServicePort, app?.ToString() ?? "", options.Labels, options.Zone)
        { Credentials = options.Credentials, PodAddresses = options.PodIps };
        _pipeline = new SnapshotPipeline(identity, new SnapshotCompiler(), _proxy.Applier.ApplyAsync) { Tell = LogNote, IsAlone = options.ControlPlane.IsEmpty };
        State = new SidecarState(time, () => _pipeline.Current is not null);
        if (!options.ControlPlane.IsEmpty)
        {
            Uri[] controlPlanes = [.. options.ControlPlane];
            random.Shuffle(controlPlanes); // each sidecar begins with another, so that replicas share the load
            ControlPlaneTrust? trust = options.ControlPlaneCa is { } roots ? new ControlPlaneTrust(roots) : null;
            _http = ControlPlaneApi.CreateClient(trust);
            ControlPlaneApi api = new(_http, controlPlanes, time)
            {
                Trust = trust,
                Token = options.ControlPlaneToken is { } token ? new ControlPlaneToken(token) : null,
            };
            LastGoodFile? lastGood = options.State is { } folder ? new LastGoodFile(folder, log.CreateLogger<LastGoodFile>()) : null;
            _client = new SnapshotClient(api, _pipeline, ReadRules, lastGood, _runtime)
            {
                Rejected = () => _stats.ConfigRejected.Add(),
                Extend = new MeshReports(_proxy.Clusters, _stats).AddTo,
                Ordered = new MeshOrders(_proxy.Clusters).Take,
            };
            _proxy.Clusters.OnBreakerNews = _client.ReportSoon;
            _proxy.Clusters.OnSmallerShare = _client.ReportSoon;
        }
        else
        {
            _proxy.Clusters.IsAlone = true;
            _folder = new RulesFolder(new RuleFiles(options.Rules!, ReadRules, log.Line) { Rejected = () => _stats.ConfigRejected.Add() }, _pipeline, time, log.Line);
        }

        AdminPages pages = new(CreateContext(metrics, ejections));
        List<(string, IPEndPoint, RequestDelegate)> ports =
        [
            ("admin", options.Admin, pages.AnswerAdminAsync),
            ("health", options.Health, pages.AnswerHealthAsync),
            ("metrics", options.Metrics, pages.AnswerMetricsAsync),
        ];
        if (options.Agent is { } agent)
        {
            _appClient = new AppClient(app?.Address ?? options.AppAddress ?? IPAddress.Loopback, options.Interception == InterceptionMode.None ? null : options.PassthroughSource, time);
            ports.Add(("agent", agent, new AgentPages(pages, _appClient, options, State, BeginDrain).AnswerAsync));
        }

        _admin = new AdminServer(ports, log);
    }

    /// <summary>Where the process is in its life; asking it to stop ends <see cref="RunAsync"/>.</summary>
    public SidecarState State { get; }

    /// <summary>Binds every listener, takes the rules of the folder if there is one, then prints the addresses.</summary>
    /// <param name="print">Receives the lines <c>NAME listening on http://…</c>.</param>
    /// <exception cref="IOException">An address cannot be bound; the message names it.</exception>
    public async Task StartAsync(Action<string> print)
    {
        await _admin.StartAsync();
        _ownAddresses.AddRange(_admin.Addresses.Select(static a => a.Address)); // before the proxy runs: it reads the list
        await _proxy.StartAsync(CancellationToken.None);
        if (_folder is not null)
        {
            await _folder.ScanAsync();
        }

        foreach ((string name, IPEndPoint address) in Listeners())
        {
            print($"{name} listening on http://{address}");
        }

        _rules = FollowRulesAsync();
    }

    /// <summary>Waits until asked to stop, then leaves in order: not ready, known to the control plane, no new connections, rest in flight.</summary>
    public async Task RunAsync()
    {
        TaskCompletionSource stopping = new(TaskCreationOptions.RunContinuationsAsynchronously);
        await using CancellationTokenRegistration registration = State.Stopping.Register(stopping.SetResult);
        await stopping.Task;
        bool wasDrained = State.IsDraining;
        BeginDrain();
        LogDraining(_options.DrainTime.TotalSeconds);
        if (_client is not null)
        {
            using CancellationTokenSource patience = new(FarewellTime, _runtime.Time);
            await using CancellationTokenRegistration hurry = State.Quitting.UnsafeRegister(static p => ((CancellationTokenSource)p!).Cancel(), patience);
            await _client.LeaveAsync(patience.Token);
        }

        if (_options.Agent is null)
        {
            await DrainAsync();
        }
        else
        {
            await (wasDrained ? Task.CompletedTask : ServeTheApplicationsEndAsync());
            await _proxy.DrainAsync(TimeSpan.Zero);
        }

        await _rulesStop.CancelAsync();
        await _rules;
    }

    /// <summary>Releases everything; what is queued for the access log is written.</summary>
    public async ValueTask DisposeAsync()
    {
        await _rulesStop.CancelAsync();
        await _rules;
        await _admin.DisposeAsync();
        await _proxy.DisposeAsync();
        if (_accessLog is not null)
        {
            await _accessLog.DisposeAsync();
        }

        _appClient?.Dispose();
        _http?.Dispose();
        _rulesStop.Dispose();
        State.Dispose();
    }

    private static ImmutableArray<RuleReadResult> ReadRules(string text, string source) => RuleReader.ReadYaml(text, source);

    private AdminContext CreateContext(StandardMetrics metrics, EjectionLog ejections) => new()
    {
        Clusters = _proxy.Clusters,
        Stats = _stats,
        Metrics = metrics,
        Ejections = ejections,
        Pipeline = _pipeline,
        State = State,
        Log = _log,
        Node = () => _client?.Id ?? _options.Node ?? _options.Service,
        Version = CommandLine.Version,
        Concurrency = _options.Concurrency == 0 ? Environment.ProcessorCount : _options.Concurrency,
        Listeners = Listeners,
        DroppedLogLines = () => _accessLog?.Dropped.Value ?? 0,
        Drain = DrainAsync,
    };

    private void BeginDrain()
    {
        State.BeginDrain();
        if (_options.Agent is not null)
        {
            _proxy.BeginInboundDrain();
        }
    }

    // Semantics 9.6: kubelet asks sidecar and application to end in one moment, and the application may have calls to make until its own end.
    private async Task ServeTheApplicationsEndAsync()
    {
        TimeSpan first = !_options.ExitsWithoutConnections ? _options.DrainTime : _options.MinimumDrainTime > TimeSpan.Zero ? _options.MinimumDrainTime : MinimumInPod;
        await PauseAsync(first);
        while (_options.ExitsWithoutConnections && _proxy.Connections > 0 && !State.Quitting.IsCancellationRequested)
        {
            await PauseAsync(ConnectionsInterval);
        }
    }

    private async Task PauseAsync(TimeSpan time) => await Task.Delay(time, _runtime.Time, State.Quitting).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);

    private Task DrainAsync() => _proxy.DrainAsync(_options.DrainTime, _options.MinimumDrainTime, State.Quitting);

    [SuppressMessage("Design", "CA1031", Justification = "Background loop: whatever escapes is a bug; it is counted, and rules must go on being followed.")]
    private async Task FollowRulesAsync()
    {
        CancellationToken stop = _rulesStop.Token;
        while (!stop.IsCancellationRequested)
        {
            try
            {
                await (_client is not null ? _client.RunAsync(Registration(), stop) : _folder!.RunAsync(stop));
            }
            catch (OperationCanceledException) when (stop.IsCancellationRequested)
            {
                return;
            }
            catch (Exception bug)
            {
                _stats.UnexpectedExceptions.Add();
                LogUnexpected(bug);
                await Task.Delay(PauseAfterBug, _runtime.Time, stop).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }
    }

    private List<(string Name, IPEndPoint Address)> Listeners()
    {
        List<(string Name, IPEndPoint Address)> all = [];
        if (_proxy.Outbound is { } outbound)
        {
            all.Add(("outbound", outbound));
        }

        if (_proxy.Inbound is { } inbound)
        {
            all.Add(("inbound", inbound));
        }

        all.AddRange(_admin.Addresses);
        return all;
    }

    private SidecarRegistration Registration() => new()
    {
        Node = _options.Node,
        Service = _options.Service,
        Namespace = _options.Namespace,
        Port = _options.ServicePort,
        Address = Advertised().ToString(),
        Labels = _options.Labels,
        Version = _options.Version,
        Zone = _options.Zone,
        StartedAt = State.StartedAt.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", System.Globalization.CultureInfo.InvariantCulture),
    };

    private IPEndPoint Advertised()
    {
        IPEndPoint bound = _proxy.Inbound!;
        if (_options.Pod is not null)
        {
            return new IPEndPoint(_options.PodIps[0], bound.Port); // for people who look: nobody dials it
        }

        if (_options.Advertise is { } wanted)
        {
            return wanted.Port == 0 ? new IPEndPoint(wanted.Address, bound.Port) : wanted;
        }

        // With rules of the kernel in between, peers dial the application: the listener itself refuses them.
        if (_options.Interception != InterceptionMode.None && _options.ServicePort > 0)
        {
            return _app is { } app && !IPAddress.IsLoopback(app.Address) ? app : new IPEndPoint(OwnAddress(), _app?.Port ?? _options.ServicePort);
        }

        bool isAny = bound.Address.Equals(IPAddress.Any) || bound.Address.Equals(IPAddress.IPv6Any);
        return isAny ? new IPEndPoint(OwnAddress(), bound.Port) : bound;
    }

    /// <summary>The machine's first address that peers can dial; loopback on a machine without network.</summary>
    private static IPAddress OwnAddress()
    {
        try
        {
            return Dns.GetHostAddresses(Dns.GetHostName(), AddressFamily.InterNetwork).FirstOrDefault(static a => !IPAddress.IsLoopback(a))
                ?? IPAddress.Loopback;
        }
        catch (SocketException)
        {
            return IPAddress.Loopback; // its own name is unknown here
        }
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "Draining: answers close their connections, up to {Seconds} s for requests in flight")]
    private partial void LogDraining(double seconds);

    [LoggerMessage(Level = LogLevel.Information, Message = "{Note}")]
    private partial void LogNote(string note);

    [LoggerMessage(Level = LogLevel.Error, Message = "Following the rules failed; please report this")]
    private partial void LogUnexpected(Exception bug);
}
