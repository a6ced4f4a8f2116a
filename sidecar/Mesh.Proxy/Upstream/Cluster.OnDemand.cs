using System.IO.Pipelines;
using Mesh.Proxy.Infrastructure;
using Mesh.Proxy.Telemetry;

namespace Mesh.Proxy.Upstream;

// Clusters whose callers name the host (DYNAMIC_DNS, and hosts that no service has): sidecar/adr/0024.
public sealed partial class Cluster
{
    private static readonly TimeSpan LongestWait = TimeSpan.FromDays(1); // timers know no years

    /// <summary>Most requests that wait for a name, whatever the rule allows: Envoy's limit for its DNS cache.</summary>
    private const uint MaxNameWaiters = 1024;

    private readonly HostsOnDemand _onDemand;
    private volatile Dictionary<string, Endpoint> _byAddress = []; // replaced whole, never changed once published

    /// <summary>The endpoint of this address, as the endpoints are identified; null when there is none now.</summary>
    internal Endpoint? Find(string address) => _byAddress.GetValueOrDefault(address);

    private Endpoint? PickOnDemand(in PickContext pick)
    {
        if (pick.Target is { } target && Find(target) is { IsFit: true } endpoint && endpoint.Welcomes(in pick, Services.Runtime.Time))
        {
            return endpoint;
        }

        Stats.CxNoneHealthy.Add();
        return null;
    }

    /// <summary>Waits for the first answer about the host that <paramref name="pick"/> names, then rents. The wait counts as one for a connection.</summary>
    private async ValueTask<RentResult> RentWhenKnownAsync(bool isTcp, PipeScheduler? loop, PickContext pick, CancellationToken cancellationToken)
    {
        if (!TryBeginNameWait(out RentResult refusal))
        {
            return refusal;
        }

        long since = Now;
        Task asked = Services.Background.RunAsync("resolve on demand", static w => Task.Run(() => w.Hosts.AddAsync(w.Target)), (Hosts: _onDemand, Target: pick.Target!));
        TimeSpan patience = _config.Connection.ConnectTimeout < LongestWait ? _config.Connection.ConnectTimeout : LongestWait;
        await asked.WaitAsync(patience, Services.Runtime.Time, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        if (loop is not null)
        {
            await new LoopSwitch(loop, isThere: false);
        }

        Stats.RqPendingActive.Add(-1);
        RentResult result = cancellationToken.IsCancellationRequested ? new RentResult(RentStatus.Cancelled, null, null, default, null, TimeSpan.Zero)
            : !asked.IsCompleted ? NotResolved(new(DecisionReason.DnsFailure) { Detail = $"dns: no answer yet for {pick.Target}" })
            : await RentNowAsync(isTcp, loop, pick, cancellationToken);
        return result with { QueueTime = Since(since) };
    }

    private bool TryBeginNameWait(out RentResult refusal)
    {
        lock (_gate)
        {
            uint limit = Math.Min(_config.Limits.MaxPendingRequests, MaxNameWaiters);
            if (Stats.RqPendingActive.Value >= limit)
            {
                Stats.RqPendingOverflow.Add();
                refusal = Refuse(DecisionReason.PendingOverflow, "http.http1MaxPendingRequests", limit, Stats.RqPendingActive.Value, null);
                return false;
            }

            Stats.RqPendingTotal.Add();
            Stats.RqPendingActive.Add();
        }

        refusal = default;
        return true;
    }

    /// <summary>Why the host that <paramref name="pick"/> names has no endpoint.</summary>
    private RentResult Unresolved(in PickContext pick)
    {
        string? target = pick.Target;
        if (target is not null && !_onDemand.Has(target))
        {
            return new RentResult(
                RentStatus.Overflow, null, null, new DecisionRecord(DecisionReason.DnsCacheOverflow, null, null, HostsOnDemand.MaxHosts, HostsOnDemand.MaxHosts), null, TimeSpan.Zero);
        }

        if (target is not null && Find(target) is { } ejected)
        {
            return RefuseByBreakers([ejected], in pick) ?? new RentResult(
                RentStatus.NoHealthyUpstream, null, ejected, new DecisionRecord(DecisionReason.NoHealthyUpstream, _config.OutlierSource, null, 1, 0), null, TimeSpan.Zero);
        }

        return target is null ? NotResolved(new(DecisionReason.DnsFailure) { Detail = "the connection names no host" })
            : _dns.LeadsBack(target) ? NotResolved(new(DecisionReason.Loop))
            : NotResolved(new(DecisionReason.DnsFailure) { Detail = _dns.ProblemOf(target) });
    }

    private static RentResult NotResolved(DecisionRecord decision) => new(RentStatus.NameNotResolved, null, null, decision, null, TimeSpan.Zero);
}
