using Mesh.Sidecar.Interception;
using Mesh.Sidecar.Options;
using Xunit;

namespace Mesh.Sidecar.Tests.Interception;

public sealed class MangleRulesTests
{
    private const string Untouched = "*mangle\n:PREROUTING ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n-A PREROUTING -i eth9 -j ACCEPT\nCOMMIT\n";

    [Fact]
    public void Apply_Tproxy_AreIstiosRulesInIstiosOrder()
    {
        string text = Apply("--mode=tproxy", "--exclude-inbound-ports=22");

        Assert.Equal(
            [
                "-m mark --mark 1337 -j CONNMARK --save-mark",
                "-m mark --mark 1337 -j RETURN",
                "-i lo -s 127.0.0.6/32 -j RETURN",
                "-i lo -m mark ! --mark 1338 -j RETURN",
                "-p tcp --dport 15008 -j RETURN", "-p tcp --dport 15090 -j RETURN", "-p tcp --dport 15021 -j RETURN", "-p tcp --dport 15020 -j RETURN",
                "-p tcp --dport 22 -j RETURN",
                "-p tcp -m conntrack --ctstate RELATED,ESTABLISHED -j MESH_DIVERT",
                "-p tcp -j MESH_TPROXY",
            ],
            RulesOf("MESH_INBOUND", text));
        Assert.Equal(["! -d 127.0.0.1/32 -p tcp -j TPROXY --on-port 15006 --tproxy-mark 1337/0xffffffff"], RulesOf("MESH_TPROXY", text));
        Assert.Equal(["-j MARK --set-mark 1337", "-j ACCEPT"], RulesOf("MESH_DIVERT", text));
        Assert.Equal(
            [
                "-m connmark --mark 1337 -j CONNMARK --restore-mark",
                "-o lo ! -d 127.0.0.1/32 -p tcp ! --dport 15008 -m mark ! --mark 1337 -m owner --uid-owner 1337 -j MARK --set-mark 1338",
                "-o lo ! -d 127.0.0.1/32 -p tcp ! --dport 15008 -m mark ! --mark 1337 -m owner --gid-owner 1337 -j MARK --set-mark 1338",
            ],
            RulesOf("MESH_OUTPUT", text));
    }

    [Fact]
    public void Apply_TproxyOfSomePorts_CapturesThese()
    {
        string text = Apply("--mode=TPROXY", "--include-inbound-ports=80,8000-8100", "--exclude-interfaces=eth1", "--kubevirt-interfaces=k6t-eth0", "--inbound-port=25006");

        List<string> inbound = RulesOf("MESH_INBOUND", text);
        Assert.Equal(["-i k6t-eth0 -j RETURN", "-i eth1 -j RETURN"], inbound[4..6]);
        Assert.Equal(
            [
                "-p tcp --dport 80 -m conntrack --ctstate RELATED,ESTABLISHED -j MESH_DIVERT", "-p tcp --dport 80 -j MESH_TPROXY",
                "-p tcp --dport 8000:8100 -m conntrack --ctstate RELATED,ESTABLISHED -j MESH_DIVERT", "-p tcp --dport 8000:8100 -j MESH_TPROXY",
            ],
            inbound[^4..]);
        Assert.Contains("TPROXY --on-port 25006", text, StringComparison.Ordinal);
    }

    [Fact]
    public void Apply_TproxyIPv6_HasItsAddresses()
    {
        string text = new MangleRules(Options("--mode=TPROXY"), isIPv6: true).Apply("");

        Assert.Contains("-A MESH_INBOUND -i lo -s ::6/128 -j RETURN", text, StringComparison.Ordinal);
        Assert.DoesNotContain("127.0.0", text, StringComparison.Ordinal);
    }

    [Fact]
    public void Apply_Redirect_TouchesNothing() => Assert.Equal("", Apply());

    [Theory]
    [InlineData("--mode=REDIRECT")]
    [InlineData("--mode=TPROXY", "--clean")]
    public void Apply_RulesOfAnEarlierRun_AreTakenAway(params string[] arguments)
    {
        string saved = "*mangle\n:MESH_INBOUND - [0:0]\n:MESH_TPROXY - [0:0]\n-A PREROUTING -i eth9 -j ACCEPT\n-A PREROUTING -p tcp -j MESH_INBOUND\n-A MESH_INBOUND -p tcp -j MESH_TPROXY\nCOMMIT\n";

        Assert.Equal(
            "*mangle\n-D PREROUTING -p tcp -j MESH_INBOUND\n-F MESH_INBOUND\n-F MESH_TPROXY\n-X MESH_INBOUND\n-X MESH_TPROXY\nCOMMIT\n",
            new MangleRules(Options(arguments), isIPv6: false).Apply(saved));
    }

    private static string Apply(params string[] arguments) => new MangleRules(Options(arguments), isIPv6: false).Apply(Untouched);

    private static InitOptions Options(params string[] arguments) => CommandLine.Read(["init", .. arguments], static _ => null).Init!;

    private static List<string> RulesOf(string chain, string text) =>
        [.. text.Split('\n').Where(l => l.StartsWith($"-A {chain} ", StringComparison.Ordinal)).Select(l => l[(4 + chain.Length)..])];
}
