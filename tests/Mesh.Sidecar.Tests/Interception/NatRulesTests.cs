using Mesh.Sidecar.Interception;
using Mesh.Sidecar.Options;
using Xunit;

namespace Mesh.Sidecar.Tests.Interception;

public sealed class NatRulesTests
{
    private const string Untouched = "*nat\n:PREROUTING ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n-A OUTPUT -d 9.9.9.9/32 -j ACCEPT\nCOMMIT\n";

    [Fact]
    public void Apply_Defaults_AreIstiosRulesInIstiosOrder()
    {
        Assert.Equal(
            [
                "-o lo -s 127.0.0.6/32 -j RETURN",
                "-o lo ! -d 127.0.0.1/32 -p tcp ! --dport 15008 -m owner --uid-owner 1337 -j MESH_IN_REDIRECT",
                "-o lo -m owner ! --uid-owner 1337 -j RETURN",
                "-m owner --uid-owner 1337 -j RETURN",
                "-o lo ! -d 127.0.0.1/32 -p tcp ! --dport 15008 -m owner --gid-owner 1337 -j MESH_IN_REDIRECT",
                "-o lo -m owner ! --gid-owner 1337 -j RETURN",
                "-m owner --gid-owner 1337 -j RETURN",
                "-d 127.0.0.1/32 -j RETURN",
                "-p tcp -j MESH_REDIRECT",
            ],
            RulesOf("MESH_OUTPUT", Apply()));
        Assert.Equal(
            [
                "-p tcp --dport 15008 -j RETURN", "-p tcp --dport 15090 -j RETURN", "-p tcp --dport 15021 -j RETURN", "-p tcp --dport 15020 -j RETURN",
                "-p tcp -j MESH_IN_REDIRECT",
            ],
            RulesOf("MESH_INBOUND", Apply()));
    }

    [Fact]
    public void Apply_ExcludesAndIncludes_StandInThisOrder()
    {
        string text = Apply(
            "--exclude-outbound-ports=25,3306-3310", "--exclude-outbound-ip-ranges=10.1.0.0/16,fd01::/16", "--include-outbound-ports=443",
            "--include-outbound-ip-ranges=10.0.0.0/8,192.0.2.7", "--exclude-inbound-ports=22", "--include-inbound-ports=80,8000:8100", "--exclude-interfaces=eth1");

        List<string> outbound = RulesOf("MESH_OUTPUT", text);
        Assert.Equal(["-o eth1 -j RETURN", "-p tcp --dport 25 -j RETURN", "-p udp --dport 25 -j RETURN", "-p tcp --dport 3306:3310 -j RETURN"], outbound[..4]);
        Assert.Equal(
            ["-d 10.1.0.0/16 -j RETURN", "-p tcp --dport 443 -j MESH_REDIRECT", "-d 10.0.0.0/8 -p tcp -j MESH_REDIRECT", "-d 192.0.2.7/32 -p tcp -j MESH_REDIRECT"],
            outbound[^4..]);
        List<string> inbound = RulesOf("MESH_INBOUND", text);
        Assert.Equal("-i eth1 -j RETURN", inbound[0]);
        Assert.Equal(["-p tcp --dport 22 -j RETURN", "-p tcp --dport 80 -j MESH_IN_REDIRECT", "-p tcp --dport 8000:8100 -j MESH_IN_REDIRECT"], inbound[^3..]);
    }

    [Fact]
    public void Apply_NothingIncluded_CapturesNothing()
    {
        string text = Apply("--include-inbound-ports=", "--include-outbound-ip-ranges=");

        Assert.DoesNotContain(RulesOf("MESH_INBOUND", text), static r => r.EndsWith("MESH_IN_REDIRECT", StringComparison.Ordinal));
        Assert.DoesNotContain(RulesOf("MESH_OUTPUT", text), static r => r.EndsWith("MESH_REDIRECT", StringComparison.Ordinal));
    }

    [Fact]
    public void Apply_IPv6_TakesTheNetworksOfItsFamily()
    {
        string text = new NatRules(Options("--include-outbound-ip-ranges=10.0.0.0/8,fd00::/8"), isIPv6: true).Apply(Untouched);

        Assert.Contains("-A MESH_OUTPUT -o lo -s ::6/128 -j RETURN", text, StringComparison.Ordinal);
        Assert.Contains("-A MESH_OUTPUT -d fd00::/8 -p tcp -j MESH_REDIRECT", text, StringComparison.Ordinal);
        Assert.DoesNotContain("10.0.0.0", text, StringComparison.Ordinal);
    }

    [Fact]
    public void Apply_Again_TakesTheOldJumpsAwayFirst()
    {
        string saved = "*nat\n:MESH_INBOUND - [0:0]\n:MESH_OUTPUT - [0:0]\n-A PREROUTING -p tcp -j MESH_INBOUND\n-A OUTPUT -d 9.9.9.9/32 -j ACCEPT\n-A OUTPUT -j MESH_OUTPUT\n-A MESH_OUTPUT -p tcp -j MESH_REDIRECT\nCOMMIT\n";

        string[] lines = new NatRules(new InitOptions(), isIPv6: false).Apply(saved).Split('\n');

        Assert.Equal(["*nat", "-D PREROUTING -p tcp -j MESH_INBOUND", "-D OUTPUT -j MESH_OUTPUT"], lines[..3]);
        Assert.Equal(2, lines.Count(static l => l.StartsWith("-D ", StringComparison.Ordinal)));
    }

    [Fact]
    public void Apply_Clean_LeavesWhatIsNotOurs()
    {
        NatRules rules = new(Options("--clean"), isIPv6: false);

        Assert.Equal("", rules.Apply(Untouched));
        Assert.Equal(
            "*nat\n-D OUTPUT -j MESH_OUTPUT\n-F MESH_OUTPUT\n-X MESH_OUTPUT\nCOMMIT\n",
            rules.Apply("*nat\n:MESH_OUTPUT - [0:0]\n-A OUTPUT -d 9.9.9.9/32 -j ACCEPT\n-A OUTPUT -j MESH_OUTPUT\nCOMMIT\n"));
    }

    [Fact]
    public void Apply_Tproxy_LeavesTheInboundSideToTheMangleTable()
    {
        string saved = "*nat\n:MESH_INBOUND - [0:0]\n:MESH_IN_REDIRECT - [0:0]\n-A PREROUTING -p tcp -j MESH_INBOUND\n-A MESH_INBOUND -p tcp -j MESH_IN_REDIRECT\nCOMMIT\n";

        string text = new NatRules(Options("--mode=TPROXY"), isIPv6: false).Apply(saved);

        Assert.StartsWith(
            "*nat\n-D PREROUTING -p tcp -j MESH_INBOUND\n:MESH_OUTPUT - [0:0]\n:MESH_REDIRECT - [0:0]\n-F MESH_INBOUND\n-F MESH_IN_REDIRECT\n-X MESH_INBOUND\n-X MESH_IN_REDIRECT\n", text,
            StringComparison.Ordinal);
        Assert.DoesNotContain("-A PREROUTING", text, StringComparison.Ordinal);
        Assert.Equal(
            [
                "-o lo -s 127.0.0.6/32 -j RETURN", "-o lo -m owner ! --uid-owner 1337 -j RETURN", "-m owner --uid-owner 1337 -j RETURN",
                "-o lo -m owner ! --gid-owner 1337 -j RETURN", "-m owner --gid-owner 1337 -j RETURN", "-d 127.0.0.1/32 -j RETURN", "-p tcp -j MESH_REDIRECT",
            ],
            RulesOf("MESH_OUTPUT", text));
    }

    [Fact]
    public void Apply_TproxyWithGuests_TheirTrafficIsOutbound()
    {
        string text = Apply("--mode=TPROXY", "--kubevirt-interfaces=k6t-eth0");

        Assert.Contains("-A PREROUTING -p tcp -j MESH_INBOUND\n", text, StringComparison.Ordinal);
        Assert.Equal(["-i k6t-eth0 -p tcp -j MESH_REDIRECT"], RulesOf("MESH_INBOUND", text));
    }

    [Theory]
    [InlineData("--mode: 'NONE' is not right; write REDIRECT or TPROXY", "--mode=NONE")]
    [InlineData("--include-inbound-ports: '80-x' is not right; write ports and ranges with commas between, for example 80,8000-8100, or *", "--include-inbound-ports=80-x")]
    [InlineData("--exclude-outbound-ip-ranges: '10.0.0.0/33' is not right; write networks with commas between, for example 10.0.0.0/8,fd00::/8, or *", "--exclude-outbound-ip-ranges=10.0.0.0/33")]
    [InlineData("--exclude-interfaces: 'a b' is not right; write names of interfaces with commas between, for example eth1,net1", "--exclude-interfaces", "a b")]
    [InlineData("--proxy-uid: 'envoy' is not right; write a number, for example 1337", "--proxy-uid", "envoy")]
    [InlineData("--cleen: there is no such option; did you mean --clean? --help shows all", "--cleen")]
    public void Read_Mistake_SaysWhatToWrite(string expected, params string[] arguments) =>
        Assert.Equal(expected, CommandLine.Read(["init", .. arguments], static _ => null).Error);

    [Fact]
    public void Read_Environment_IsTheAnnotationsWay() =>
        Assert.Equal("80 8000:8100", string.Join(' ', CommandLine.Read(["init"], static n => n == "MESH_EXCLUDE_INBOUND_PORTS" ? "80,8000-8100" : null).Init!.ExcludeInboundPorts.Ranges));

    private static string Apply(params string[] arguments) => new NatRules(Options(arguments), isIPv6: false).Apply(Untouched);

    private static InitOptions Options(params string[] arguments) => CommandLine.Read(["init", .. arguments], static _ => null).Init!;

    private static List<string> RulesOf(string chain, string text) =>
        [.. text.Split('\n').Where(l => l.StartsWith($"-A {chain} ", StringComparison.Ordinal)).Select(l => l[(4 + chain.Length)..])];
}
