using Mesh.ControlPlane.Coordination;
using Mesh.ControlPlane.Tests.Push;
using Mesh.Rules.Wire;
using Xunit;

namespace Mesh.ControlPlane.Tests.Coordination;

public sealed class VisibleSharesTests
{
    private readonly FakeRuleStore _store = new();

    [Theory]
    [InlineData("CircuitBreaker/shop/b", "outbound|80||partner.test", true)] // its own
    [InlineData("CircuitBreaker/istio-system/b", "outbound|80||partner.test", true)] // everybody's
    [InlineData("CircuitBreaker/bank/b", "outbound|80|v1|ledger.bank.svc.cluster.local", true)] // the service's
    [InlineData("CircuitBreaker/bank/b", "outbound|80||open.test", true)] // the entry's
    [InlineData("CircuitBreaker/bank/b", "outbound|80||old.legacy.svc.cluster.local", true)] // the entry's, whatever its name looks like
    [InlineData("CircuitBreaker/shop/b", "outbound|80||open.test", true)] // its own, for another's service
    [InlineData("CircuitBreaker/istio-system/b", "outbound|80||open.test", true)]
    [InlineData("CircuitBreaker/legacy/b", "outbound|80||open.test", false)] // of neither
    [InlineData("CircuitBreaker/bank/b", "outbound|80||secret.legacy.svc.cluster.local", false)]
    [InlineData("CircuitBreaker/bank/b", "outbound|80||partner.test", false)] // of callers in another namespace
    [InlineData("CircuitBreaker/bank/b", "outbound|80||closed.test", false)] // of an entry that is kept there
    [InlineData("CircuitBreaker/bank/b", "outbound|80||ledger.shop.svc.cluster.local", false)]
    public void Report_OfARule_IsBelievedOnlyWhereItHolds(string rule, string cluster, bool isBelieved)
    {
        VisibleShares shares = new(_store);
        Add("open.test", "");
        Add("closed.test", "exportTo: [\".\"]");
        Add("old.legacy.svc.cluster.local", "");
        Add("secret.legacy.svc.cluster.local", "exportTo: [\".\"]");
        SidecarReport report = new()
        {
            Version = "v",
            Circuits = [new CircuitReport { Rule = rule, Cluster = cluster }],
            Limits = [new LimitReport { Rule = rule, Cluster = cluster, Limit = "l" }, new LimitReport { Rule = "RateLimit/shop/own", Cluster = "inbound|80||", Limit = "l" }],
        };

        SidecarReport believed = shares.Of(report, "shop");

        Assert.Equal(("v", isBelieved ? 1 : 0, isBelieved ? 2 : 1), (believed.Version, believed.Circuits.Length, believed.Limits.Length));
    }

    [Fact]
    public void Entry_ComesLater_IsSeen()
    {
        VisibleShares shares = new(_store);
        SidecarReport report = new() { Circuits = [new CircuitReport { Rule = "CircuitBreaker/bank/b", Cluster = "outbound|80||open.test" }] };
        Assert.Empty(shares.Of(report, "shop").Circuits);

        Add("open.test", "");

        Assert.Same(report, shares.Of(report, "shop"));
    }

    private void Add(string host, string extra) => _store.Add($$"""
        apiVersion: networking.istio.io/v1
        kind: ServiceEntry
        metadata: {name: {{host.Replace('.', '-')}}, namespace: bank, uid: u-{{host.Length}}}
        spec:
          hosts: [{{host}}]
          ports: [{number: 80, name: http, protocol: HTTP}]
          resolution: DNS
          {{extra}}
        """);
}
