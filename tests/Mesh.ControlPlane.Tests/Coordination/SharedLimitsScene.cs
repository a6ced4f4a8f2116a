using System.Collections.Immutable;
using Mesh.ControlPlane.Coordination;
using Mesh.Rules.Wire;
using Mesh.Testing;

namespace Mesh.ControlPlane.Tests.Coordination;

/// <summary>Callers that share one limit, and report and follow their orders second by second.</summary>
public abstract class SharedLimitsScene
{
    private protected static readonly LimitName Name = new("ResiliencePolicy/default/partner", "outbound|80||partner.test", "meshLimits.maxConnections");

    protected SharedLimitsScene() => Limits = NewControlPlane();

    private protected FakeTimeProvider Time { get; } = new();

    private protected Dictionary<string, (int Share, long Epoch)> InForce { get; } = [];

    private protected SharedLimits Limits { get; set; }

    private protected int? Total { get; set; } = 20;

    private protected static Reporter Caller(string id) => new(id, "", "2030-01-01T00:00:00Z", "10.0.0.1:80");

    private protected void Say(string caller, params ImmutableArray<LimitReport> limits) =>
        Limits.Report(Caller(caller), new SidecarReport { Limits = limits }, Time.GetTimestamp());

    private protected SharedLimits NewControlPlane() => new(_ => Total, Time);

    /// <summary>All are there for long enough.</summary>
    private protected void Settle(params string[] callers)
    {
        Round([.. callers.Select(static c => (c, 0))]);
        Time.Advance(TimeSpan.FromSeconds(4));
        Round([.. callers.Select(static c => (c, 0))]);
        Round([.. callers.Select(static c => (c, 0))]);
        Round([.. callers.Select(static c => (c, 0))]);
    }

    /// <summary>A second in which all report once; then what is in force.</summary>
    private protected string Round(params (string Caller, int Wanted)[] callers)
    {
        foreach ((string caller, int wanted) in callers)
        {
            Report(caller, wanted);
        }

        Time.Advance(TimeSpan.FromSeconds(1));
        return Shares();
    }

    private protected ImmutableArray<LimitOrder> Report(string caller, int wanted, int? inUse = null, bool isAnswerLost = false)
    {
        (int share, long epoch) = InForce.GetValueOrDefault(caller);
        SidecarReport report = new()
        {
            Limits = [new LimitReport { Rule = Name.Rule, Cluster = Name.Cluster, Limit = Name.Limit, Share = share, Epoch = epoch, InUse = inUse ?? Math.Min(Math.Max(1, share), wanted), Wanted = wanted }],
        };
        Limits.Report(Caller(caller), report, Time.GetTimestamp());
        SidecarOrders orders = new();
        Limits.AddOrders(Caller(caller), orders, Time.GetTimestamp());
        foreach (LimitOrder order in orders.Limits.Where(_ => !isAnswerLost))
        {
            InForce[caller] = (order.Share, order.Epoch);
        }

        return orders.Limits;
    }

    private protected string Shares() => string.Join(' ', InForce.OrderBy(static c => c.Key, StringComparer.Ordinal).Select(static c => FormattableString.Invariant($"{c.Key}{c.Value.Share}")));
}
