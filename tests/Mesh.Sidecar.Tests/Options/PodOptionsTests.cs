using System.Net;
using System.Net.Sockets;
using Mesh.Proxy.Transport;
using Mesh.Sidecar.Options;
using Xunit;

namespace Mesh.Sidecar.Tests.Options;

/// <summary><c>run --pod</c>: what it implies, and what it is not to stand beside.</summary>
public sealed class PodOptionsTests
{
    private const string Valid = "run --pod orders-7d9-x2x4q.shop --control-plane https://mesh:15010";
    private static readonly Dictionary<string, string> Kubelets = new() { ["POD_IP"] = "10.0.0.7", ["POD_IPS"] = "10.0.0.7,fd00::7" };

    [Fact]
    public void Pod_ImpliesWhatAPodNeeds()
    {
        SidecarOptions options = Right(Valid);
        IPAddress every = Socket.OSSupportsIPv6 ? IPAddress.IPv6Any : IPAddress.Any;

        Assert.Equal(
            [15001, 15006, 15021, 15090, 15020],
            new[] { options.Outbound, options.Inbound, options.Health, options.Metrics, options.Agent! }.Select(a => a.Address.Equals(every) ? a.Port : -1));
        Assert.Equal(new IPEndPoint(IPAddress.Loopback, 15000), options.Admin);
        Assert.Equal((InterceptionMode.Redirect, "orders-7d9-x2x4q.shop", "shop", "orders-7d9-x2x4q"), (options.Interception, options.Node, options.Namespace, options.Workload));
        Assert.Equal(["10.0.0.7", "fd00::7"], options.PodIps.Select(static a => a.ToString()));
        Assert.Equal(("10.0.0.7", "", "", ""), (options.AppAddress!.ToString(), options.Service, options.App, options.Zone));
    }

    [Fact]
    public void WhatIsGiven_GoesBeforeWhatAPodImplies()
    {
        SidecarOptions options = Right(
            Valid + " --interception=none --outbound 127.0.0.1:0 --agent 127.0.0.1:0 --node n1 --app-address 127.0.0.1 --zone eu-1", new(Kubelets) { ["MESH_HEALTH"] = "127.0.0.1:1" });

        Assert.Equal((InterceptionMode.None, "127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:1"), (options.Interception, options.Outbound.ToString(), options.Agent!.ToString(), options.Health.ToString()));
        Assert.Equal(("n1", "127.0.0.1", "eu-1"), (options.Node, options.AppAddress!.ToString(), options.Zone));
        Assert.Equal(["10.0.0.7", "fd00::7"], options.PodIps.Select(static a => a.ToString()));
    }

    [Fact]
    public void NameWithDots_EndsAtTheLast() =>
        Assert.Equal(("web.node-1.example", "kube"), (Right("run --pod web.node-1.example.kube --rules /tmp").Pod, Right("run --pod web.node-1.example.kube --rules /tmp").Namespace));

    [Theory]
    [InlineData("POD_IP", "10.0.0.9")]
    [InlineData("POD_IPS", "10.0.0.9")]
    public void OneOfTheAddresses_IsEnough(string variable, string value)
    {
        SidecarOptions options = Right(Valid, new() { [variable] = value });
        Assert.Equal(("10.0.0.9", "10.0.0.9"), (options.AppAddress!.ToString(), options.PodIps.Single().ToString()));
    }

    [Theory]
    [InlineData(" --service orders", "--service: cannot stand beside --pod")]
    [InlineData(" --app 127.0.0.1:1", "--app: cannot stand beside --pod")]
    [InlineData(" --advertise 127.0.0.1:1", "--advertise: cannot stand beside --pod")]
    [InlineData(" --pod-ips 10.0.0", "--pod-ips: '10.0.0.x' is not right; write IP addresses")]
    [InlineData(" --app-address here", "--app-address: 'here' is not right; write an IP address")]
    [InlineData(" --rules /tmp", "--rules: cannot stand beside --control-plane")]
    public void Mistake_SaysWhatToWrite(string more, string expected) =>
        Assert.StartsWith(expected, Read(Valid + more.Replace("10.0.0", "10.0.0.x", StringComparison.Ordinal), Kubelets).Error, StringComparison.Ordinal);

    [Theory]
    [InlineData("orders")]
    [InlineData("Orders.shop")]
    [InlineData("orders.")]
    [InlineData(".shop")]
    public void NameWithoutNamespace_IsAMistake(string pod) =>
        Assert.Contains("NAME.NAMESPACE", Read($"run --pod {pod} --rules /tmp", Kubelets).Error, StringComparison.Ordinal);

    [Fact]
    public void NoAddress_IsAMistake() =>
        Assert.StartsWith("--pod-ips: missing", Read(Valid, new() { ["POD_IP"] = "", ["POD_IPS"] = "" }).Error, StringComparison.Ordinal);

    [Theory]
    [InlineData("http://mesh.example:15010", false)]
    [InlineData("http://10.0.0.1:15010", false)]
    [InlineData("http://127.0.0.1:15010", true)]
    [InlineData("http://localhost:15010", true)]
    [InlineData("https://mesh.example:15010", true)]
    public void Token_IsNotSentInTheClear(string url, bool isAllowed)
    {
        string? error = Read($"run --pod a.b --control-plane {url} --control-plane-token /t --control-plane-ca /c", Kubelets).Error;
        Assert.Equal(isAllowed ? null : $"--control-plane-token: would be sent to {new Uri(url).Authority} for all to read; write --control-plane https://{new Uri(url).Authority}", error);
    }

    private static SidecarOptions Right(string arguments, Dictionary<string, string>? environment = null)
    {
        CommandLineResult result = Read(arguments, environment ?? Kubelets);
        Assert.Null(result.Error);
        return result.Options!;
    }

    private static CommandLineResult Read(string arguments, Dictionary<string, string> environment) =>
        CommandLine.Read(arguments.Split(' ', StringSplitOptions.RemoveEmptyEntries), environment.GetValueOrDefault);
}
