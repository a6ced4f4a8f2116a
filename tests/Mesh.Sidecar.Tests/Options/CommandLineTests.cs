using System.Net;
using Mesh.Proxy.Telemetry;
using Mesh.Sidecar.Options;
using Xunit;

namespace Mesh.Sidecar.Tests.Options;

public sealed class CommandLineTests
{
    private const string Valid = "run --service orders --app 127.0.0.1:8080 --control-plane http://127.0.0.1:15010";

    [Theory]
    [InlineData("", "'run'")]
    [InlineData("walk", "'walk' is not a command")]
    [InlineData("run --servce orders", "did you mean --service?")]
    [InlineData("run --nonsense orders", "--nonsense: there is no such option; --help")]
    [InlineData("run orders", "'orders' stands alone")]
    [InlineData("run --service", "--service: its value is missing; write --service NAME")]
    [InlineData("run --service --app", "--service: its value is missing")]
    [InlineData("run --service a --service b", "--service: given twice")]
    [InlineData("run --service= --app 127.0.0.1:1", "--service: ''")]
    [InlineData("run --service orders:http", "orders.shop:8080")]
    [InlineData("run --service orders:0", "orders.shop:8080")]
    [InlineData("run --service orders:65536", "orders.shop:8080")]
    [InlineData("run --service Orders", "orders.shop:8080")]
    [InlineData("run --service a.b.c", "orders.shop:8080")]
    [InlineData("run --service -a", "orders.shop:8080")]
    [InlineData("run --service orders --app 8080", "--app: '8080' is not right; write HOST:PORT")]
    [InlineData("run --service orders --app 127.0.0.1:0", "HOST:PORT")]
    [InlineData("run --service orders --app 127.0.0.1:1", "--control-plane: missing")]
    [InlineData("run --app 127.0.0.1:1 --control-plane http://127.0.0.1:1", "--service: missing")]
    [InlineData("run --service orders --control-plane http://127.0.0.1:1", "--app: missing")]
    [InlineData(Valid + " --control-plane 127.0.0.1:15010", "--control-plane: given twice")]
    [InlineData("run --control-plane 127.0.0.1:15010", "http://127.0.0.1:15010")]
    [InlineData("run --control-plane ftp://x", "http://127.0.0.1:15010")]
    [InlineData("run --control-plane http://a:1,", "several with commas between")]
    [InlineData(Valid + " --rules /tmp", "--rules: cannot stand beside --control-plane")]
    [InlineData("run --rules /does/not/exist", "'/does/not/exist' does not exist")]
    [InlineData(Valid + " --node a/b", "orders-1")]
    [InlineData(Valid + " --outbound 15001", "IP:PORT")]
    [InlineData(Valid + " --outbound 127.0.0.1", "IP:PORT")]
    [InlineData(Valid + " --inbound orders:1", "IP:PORT")]
    [InlineData(Valid + " --health 127.0.0.1:x", "IP:PORT")]
    [InlineData(Valid + " --metrics 127.0.0.1:70000", "IP:PORT")]
    [InlineData(Valid + " --advertise ::1:1", "IP:PORT")]
    [InlineData(Valid + " --admin 0.0.0.0:15000", "loopback")]
    [InlineData(Valid + " --concurrency 0", "1 to 1024")]
    [InlineData(Valid + " --concurrency two", "1 to 1024")]
    [InlineData(Valid + " --interception iptables", "none, redirect or tproxy")]
    [InlineData(Valid + " --interception 1", "none, redirect or tproxy")]
    [InlineData(Valid + " --passthrough-source lo", "127.0.0.6, or none")]
    [InlineData(Valid + " --access-log-format xml", "text or json")]
    [InlineData(Valid + " --labels version", "KEY=VALUE")]
    [InlineData(Valid + " --labels a=1,a=2", "KEY=VALUE")]
    [InlineData(Valid + " --drain-time 5", "5s")]
    [InlineData(Valid + " --drain-time 25h", "24h")]
    [InlineData(Valid + " --idle-timeout s", "5s")]
    [InlineData(Valid + " --max-connections many", "1000")]
    [InlineData(Valid + " --max-requests-per-connection -1", "1000")]
    public void Mistake_IsOneLineThatSaysWhatToWrite(string arguments, string expected)
    {
        CommandLineResult result = Read(arguments);

        Assert.Null(result.Options);
        Assert.NotNull(result.Error);
        Assert.Contains(expected, result.Error, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', result.Error);
    }

    [Fact]
    public void Defaults_AreIstiosPorts()
    {
        SidecarOptions options = Right(Valid);

        Assert.Equal(
            ["127.0.0.1:15001", "127.0.0.1:15006", "127.0.0.1:15000", "127.0.0.1:15021", "127.0.0.1:15090"],
            new[] { options.Outbound, options.Inbound, options.Admin, options.Health, options.Metrics }.Select(static a => a.ToString()));
        Assert.Equal(8080, options.ServicePort);
        Assert.Equal("default", options.Namespace);
        Assert.Equal("latest", options.Version);
        Assert.Null(options.AccessLog);
        Assert.Equal(TimeSpan.FromSeconds(5), options.DrainTime);
    }

    [Theory]
    [InlineData("250ms", 0.25)]
    [InlineData("1.5s", 1.5)]
    [InlineData("5m", 300)]
    [InlineData("1h", 3600)]
    [InlineData("0s", 0)]
    public void Times_HaveUnits(string text, double seconds)
    {
        SidecarOptions options = Right($"{Valid} --drain-time 1s --minimum-drain-time={text} --request-headers-timeout {text} --stream-idle-timeout {text} --idle-timeout {text}");

        TimeSpan expected = TimeSpan.FromSeconds(seconds);
        Assert.Equal((expected, expected, expected, expected), (options.MinimumDrainTime, options.Limits.RequestHeaders, options.Limits.StreamIdle, options.Limits.Idle));
    }

    [Fact]
    public void Limits_AreTaken_AndHaveDefaults()
    {
        SidecarOptions options = Right(Valid + " --max-connections 7 --max-requests-per-connection 8");
        Assert.Equal((7, 8), (options.Limits.MaxConnections, options.Limits.MaxRequestsPerConnection));
        options = Right(Valid);
        Assert.Equal((DescriptorLimit.Connections, 0), (options.Limits.MaxConnections, options.Limits.MaxRequestsPerConnection));
        Assert.Equal((60, 300, 3600), ((int)options.Limits.RequestHeaders.TotalSeconds, (int)options.Limits.StreamIdle.TotalSeconds, (int)options.Limits.Idle.TotalSeconds));
    }

    [Theory]
    [InlineData("Max processes 1 1 processes\nMax open files            1024                 4096                 files\n", 384)]
    [InlineData("Max open files            64                 4096                 files\n", 16)]
    [InlineData("Max open files            unlimited            unlimited            files\n", 0)]
    [InlineData(null, 0)]
    public void DescriptorLimit_LeavesRoomForUpstreams(string? limits, int expected) => Assert.Equal(expected, DescriptorLimit.Compute(limits));

    [Fact]
    public void Values_AreTakenInBothForms()
    {
        SidecarOptions options = Right(
            "run --service=orders.shop:80 --app localhost:8080 --control-plane=https://c:1 --node n1 --state /s --outbound [::1]:0 --advertise 10.0.0.1:0 "
            + "--access-log - --access-log-format json --labels version=v1,a=b=c --zone eu-1 --concurrency 2 --drain-time 1.5s");

        Assert.Equal(("orders", "shop", 80, "localhost:8080"), (options.Service, options.Namespace, options.ServicePort, options.App));
        Assert.Equal(new IPEndPoint(IPAddress.IPv6Loopback, 0), options.Outbound);
        Assert.Equal(new IPEndPoint(IPAddress.Parse("10.0.0.1"), 0), options.Advertise);
        Assert.Equal(("-", AccessLogFormat.Json), (options.AccessLog, options.AccessLogFormat));
        Assert.Equal(("v1", "b=c", "v1"), (options.Labels["version"], options.Labels["a"], options.Version));
        Assert.Equal(TimeSpan.FromSeconds(1.5), options.DrainTime);
    }

    [Fact]
    public void Environment_FillsWhatTheLineLeavesOut_AndIsNamedWhenWrong()
    {
        Dictionary<string, string> environment = new() { ["MESH_ZONE"] = "eu-2", ["MESH_SERVICE"] = "other", ["MESH_ACCESS_LOG"] = "-" };

        SidecarOptions options = Right(Valid, environment);
        environment["MESH_CONCURRENCY"] = "many";

        Assert.Equal(("orders", "eu-2", "-"), (options.Service, options.Zone, options.AccessLog));
        Assert.StartsWith("MESH_CONCURRENCY: 'many'", Read(Valid, environment).Error, StringComparison.Ordinal);
    }

    [Fact]
    public void VersionLabel_IsALabelToo() =>
        Assert.Equal("v7", Right(Valid + " --version-label v7").Labels["version"]);

    [Theory]
    [InlineData("--help", "--control-plane URL")]
    [InlineData("run --service x --help", "--control-plane URL")]
    [InlineData("--version", "mesh-sidecar 0.1.0")]
    public void HelpAndVersion_AreOutput(string arguments, string expected) =>
        Assert.Contains(expected, Read(arguments).Output, StringComparison.Ordinal);

    [Fact]
    public void Help_NamesEveryOption() =>
        Assert.All(OptionRows.All, static row => Assert.Contains(row.Name + " " + row.Value, Read("--help").Output, StringComparison.Ordinal));

    private static SidecarOptions Right(string arguments, Dictionary<string, string>? environment = null)
    {
        CommandLineResult result = Read(arguments, environment);
        Assert.Null(result.Error);
        return result.Options!;
    }

    private static CommandLineResult Read(string arguments, Dictionary<string, string>? environment = null) =>
        CommandLine.Read(arguments.Split(' ', StringSplitOptions.RemoveEmptyEntries), name => environment?.GetValueOrDefault(name));
}
