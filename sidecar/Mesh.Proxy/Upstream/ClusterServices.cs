using System.Net;
using Mesh.Proxy.AsyncReplies;
using Mesh.Proxy.Dns;
using Mesh.Proxy.Infrastructure;
using Mesh.Proxy.Telemetry;
using Mesh.Proxy.Transactions;
using Mesh.Proxy.Upstream.Wire;
using Microsoft.Extensions.Logging;

namespace Mesh.Proxy.Upstream;

/// <summary>What all clusters of a process share.</summary>
/// <param name="Runtime">Clock and chance.</param>
/// <param name="Connector">Makes connections.</param>
/// <param name="Dns">Keeps the addresses of names fresh.</param>
/// <param name="OnEjection">Told of every ejection and return; outside locks.</param>
/// <param name="Ticker">Slow timers.</param>
/// <param name="Timeouts">Connect timeouts.</param>
/// <param name="TlsFiles">Certificates, keys and lists, read again when they change.</param>
/// <param name="Background">Runs what nobody awaits.</param>
/// <param name="Logger">Log; never written while a lock is held.</param>
internal sealed record ClusterServices(
    ProxyRuntime Runtime,
    IUpstreamConnector Connector,
    DnsResolver Dns,
    Action<EjectionEvent> OnEjection,
    Ticker Ticker,
    TimeoutPool Timeouts,
    TlsFileWatch TlsFiles,
    BackgroundWork Background,
    ILogger Logger)
{
    /// <summary>The last decisions, for those that fall without a request in hand too.</summary>
    public DecisionLog Decisions { get; } = new();

    /// <summary>Calls whose callers come back for the answer.</summary>
    public AsyncReplyStore AsyncReplies { get; } = new(Runtime.Time, Ticker);

    /// <summary>Numbers of transaction ids.</summary>
    public TransactionSequence Transactions { get; } = new();

    /// <summary>Id of this sidecar in transaction ids.</summary>
    public string Instance { get; set; } = "sidecar";

    /// <summary>Addresses that this proxy itself listens on; any thread may ask.</summary>
    public Func<IReadOnlyCollection<IPEndPoint>> OwnAddresses { get; set; } = static () => [];

    /// <summary>Told when a smaller share of a limit is in force; outside locks.</summary>
    public Action OnSmallerShare { get; set; } = static () => { };

    /// <summary>There is no control plane: nobody gives out shares of a limit, and so each counts for this process alone.</summary>
    public bool IsAlone { get; set; }

    /// <summary>Told of every change of a circuit breaker's state; outside locks.</summary>
    public Action<BreakerEvent> OnBreaker { get; set; } = static _ => { };

    /// <summary>Told when the control plane should soon hear of a shared circuit; on the event loop of a call.</summary>
    public Action OnBreakerNews { get; set; } = static () => { };

    /// <summary>Told of every change of an adaptive concurrency limit; outside locks.</summary>
    public Action<ConcurrencyEvent> OnConcurrency { get; set; } = static _ => { };
}
