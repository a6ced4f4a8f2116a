using System.Text.Json;
using System.Text.Json.Nodes;
using Mesh.ControlPlane.Kubernetes;
using Mesh.ControlPlane.Registry;
using Microsoft.Extensions.Logging;

namespace Mesh.ControlPlane.Coordination;

/// <summary>
/// The link of a replica that does not lead to the one that does, at the address that the election's Lease says: hands on reports twice a second and takes orders back, in one request
/// for all sidecars. Without a leader there are no orders, and a sidecar's last one holds until it ends. <see cref="RunAsync"/> runs once; the rest is thread-safe.
/// </summary>
/// <param name="coordinator">Whose callers they are.</param>
/// <param name="relay">Their reports.</param>
/// <param name="leader">Address of the leader, <c>IP:PORT</c>; null while it is not known, or is us.</param>
/// <param name="access">How a replica at an address is reached.</param>
/// <param name="runtime">Clock and log.</param>
internal sealed partial class ReplicaLink(
    MeshCoordinator coordinator, RelayedReports relay, Func<string?> leader, Func<string, ApiServer> access, (TimeProvider Time, ILogger Logger) runtime) : IDisposable
{
    /// <summary>Where reports of replicas go.</summary>
    public const string Path = "/mesh/v1/replicas/report";

    /// <summary>Longest report: a thousand sidecars with dozens of circuits each.</summary>
    public const int MaxBytes = 24 * 1024 * 1024;

    /// <summary>Pause between two reports.</summary>
    public static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(500);

    /// <summary>
    /// Time after a change of leadership by which the callers of all replicas have been heard: a replica looks who leads once in 2.2 retry periods, hands on at the next interval, and its
    /// callers may have to come back first, which takes less than a lease.
    /// </summary>
    public static readonly TimeSpan Settling = EndpointRegistry.Lease + (LeaderElector.RetryPeriod * 2.2) + Interval;

    /// <summary>Longest that an answer is waited for: orders that are older than a lease are worth nothing.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(2);

    private readonly TimeProvider _time = runtime.Time;
    private readonly ILogger _logger = runtime.Logger;
    private readonly Lock _gate = new();
    private (string Address, KubernetesClient Client)? _known;
    private string _trouble = "";

    /// <summary>Hands on until <paramref name="stop"/>.</summary>
    public async Task RunAsync(CancellationToken stop)
    {
        while (!stop.IsCancellationRequested)
        {
            await Task.Delay(Interval, _time, stop).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            try
            {
                await HandOnAsync(stop);
            }
            catch (OperationCanceledException) when (stop.IsCancellationRequested)
            {
                break;
            }
#pragma warning disable CA1031 // A background loop: one answer that trips a bug must not part this replica from the others.
            catch (Exception error)
#pragma warning restore CA1031
            {
                LogUnexpected(error);
            }
        }
    }

    /// <summary>Asks the leader something.</summary>
    public async Task<ApiAnswer> AskAsync(HttpMethod method, string path, JsonObject? body, CancellationToken stop)
    {
        if (Client() is not { } client)
        {
            return ApiFailure.Unreachable("no replica is known to lead, or it does not say where it is (--replica-address)");
        }

        using CancellationTokenSource late = new(Patience, _time);
        using CancellationTokenSource either = CancellationTokenSource.CreateLinkedTokenSource(late.Token, stop);
        try
        {
            ApiAnswer answer = await client.SendAsync(method, path, body, "application/json", either.Token);
            if (answer.Failure is { Kind: FailureKind.Unreachable })
            {
                Forget(); // perhaps what is to be trusted changed: the next client reads it anew
            }

            return answer;
        }
        catch (OperationCanceledException) when (!stop.IsCancellationRequested)
        {
            return ApiFailure.Unreachable($"the leader did not answer within {Patience.TotalSeconds:0} s");
        }
    }

    /// <inheritdoc/>
    public void Dispose() => Forget();

    private async Task HandOnAsync(CancellationToken stop)
    {
        if (coordinator.Leads || coordinator.Run(_ => (relay.Collect(), false)) is not { } report)
        {
            return;
        }

        JsonObject body = JsonSerializer.SerializeToNode(report, ReplicaJson.Default.ReplicaReport)!.AsObject();
        using ApiAnswer answer = await AskAsync(HttpMethod.Post, Path, body, stop);
        string trouble = answer.Failure?.Message ?? "";
        if (trouble.Length == 0 && answer.Object.Deserialize(ReplicaJson.Default.ReplicaOrders) is { } orders)
        {
            coordinator.Run(now => (true, relay.Take(orders, now)));
        }

        if (trouble != _trouble && trouble.Length > 0)
        {
            LogTrouble(trouble);
        }

        _trouble = trouble;
    }

    private KubernetesClient? Client()
    {
        string? address = leader();
        lock (_gate)
        {
            if (_known is { } known && known.Address != address)
            {
                _known = null;
                known.Client.Dispose();
            }

            if (address is not null && _known is null)
            {
                _known = (address, new KubernetesClient(access(address), _time));
            }

            return _known?.Client;
        }
    }

    private void Forget()
    {
        lock (_gate)
        {
            _known?.Client.Dispose();
            _known = null;
        }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "Reports of sidecars cannot be handed to the replica that leads: {Problem}; what callers share is not decided for them until that is over")]
    private partial void LogTrouble(string problem);

    [LoggerMessage(Level = LogLevel.Error, Message = "Unexpected: reports are handed on again after a pause")]
    private partial void LogUnexpected(Exception error);
}
