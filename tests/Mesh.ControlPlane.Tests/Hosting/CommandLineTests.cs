using Mesh.ControlPlane.Hosting;
using Xunit;

namespace Mesh.ControlPlane.Tests.Hosting;

public sealed class CommandLineTests
{
    [Fact]
    public void Read_ServeAlone_HasIstiosPortsOnLoopback()
    {
        ServeOptions options = Read("serve").Options!;

        Assert.Equal(("127.0.0.1:15010", "127.0.0.1:15014"), (options.Listen.ToString(), options.MetricsListen!.ToString()));
        Assert.False(options.HasOwnCertificate);
    }

    [Theory]
    [InlineData("serve --listen 127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0")]
    [InlineData("serve --listen=127.0.0.2:1 --metrics-listen=127.0.0.1:2", "127.0.0.2:1", "127.0.0.1:2")]
    [InlineData("serve --listen [::1]:7", "[::1]:7", "127.0.0.1:15014")]
    [InlineData("serve --listen localhost:7", "127.0.0.1:7", "127.0.0.1:15014")]
    [InlineData("serve --listen 127.0.0.1:0 --metrics-listen 0.0.0.0:2", "127.0.0.1:0", "0.0.0.0:2")]
    [InlineData("serve --listen 0.0.0.0:1 --tls-cert c --tls-key k --token-file t", "0.0.0.0:1", "127.0.0.1:15014")]
    [InlineData("serve --listen 0.0.0.0:1 --kubernetes --tls-cert c --tls-key k", "0.0.0.0:1", "127.0.0.1:15014")]
    [InlineData("serve --listen 0.0.0.0:1 --kubernetes --tls-cert c --tls-key k --tls-ca r --token-file t", "0.0.0.0:1", "127.0.0.1:15014")]
    [InlineData("serve --listen [::]:1 --kubernetes --webhook-service a.b", "[::]:1", "127.0.0.1:15014")]
    [InlineData("serve --listen [::]:1 --kubernetes --webhook-listen [::]:2", "[::]:1", "127.0.0.1:15014")]
    [InlineData("serve --listen [::]:1 --kubernetes --webhook-service a.b --token-file t", "[::]:1", "127.0.0.1:15014")]
    public void Read_Addresses_AreTaken(string line, string listen, string metrics)
    {
        CommandLineResult result = Read(line);

        Assert.Null(result.Error);
        Assert.Equal((listen, metrics), (result.Options!.Listen.ToString(), result.Options.MetricsListen!.ToString()));
    }

    [Theory]
    [InlineData("serve --kubernetes", true, null)]
    [InlineData("serve --kubernetes --kubeconfig k --context c", true, "k")]
    [InlineData("serve --kubernetes=true --kubeconfig=k", true, "k")]
    [InlineData("serve --kubernetes=false", false, null)]
    [InlineData("serve", false, null)]
    public void Read_Kubernetes_IsASwitch(string line, bool expected, string? file)
    {
        ServeOptions options = Read(line).Options!;

        Assert.Equal((expected, file), (options.Kubernetes, options.KubeConfig));
    }

    [Theory]
    [InlineData("", "no command is given; write 'serve'")]
    [InlineData("serv", "'serv' is no command; write 'serve'")]
    [InlineData("serve --listn 1", "--listn: there is no such option; 'serve' knows --listen,")]
    [InlineData("serve here", "here: there is no such option")]
    [InlineData("serve --listen", "--listen: its value is missing; write --listen IP:PORT")]
    [InlineData("serve --listen --data x", "--listen: its value is missing")]
    [InlineData("serve --listen nowhere", "--listen: 'nowhere' is not right; write IP:PORT, for example 127.0.0.1:15010")]
    [InlineData("serve --listen 127.0.0.1", "--listen: '127.0.0.1' is not right")]
    [InlineData("serve --listen 127.0.0.1:70000", "--listen: '127.0.0.1:70000' is not right")]
    [InlineData("serve --listen ::1:80", "--listen: '::1:80' is not right")]
    [InlineData("serve --listen example.com:80", "--listen: 'example.com:80' is not right")]
    [InlineData("serve --data=", "--data: '' is not right; write DIR")]
    [InlineData("serve --data a --data b", "--data: given twice")]
    [InlineData("serve --listen 0.0.0.0:1", "--listen: 0.0.0.0:1 can be reached from other machines; add --tls-cert FILE --tls-key FILE --token-file FILE")]
    [InlineData("serve --listen [::]:1 --tls-cert c --tls-key k", "--token-file: missing; TLS and token go together, add --token-file FILE")]
    [InlineData("serve --listen 0.0.0.0:1 --kubernetes", "--webhook-service: missing; the certificate that 0.0.0.0:1 shows is made for the Service in front of it, add --webhook-service NAME.NAMESPACE")]
    [InlineData("serve --listen 0.0.0.0:1 --kubernetes --tls-cert c", "--tls-key: missing; TLS and token go together, add --tls-key FILE")]
    [InlineData("serve --listen 0.0.0.0:1 --kubernetes --tls-key k", "--tls-cert: missing; TLS and token go together, add --tls-cert FILE")]
    [InlineData("serve --kubernetes --token-file t", "--tls-cert: missing; TLS and token go together, add --tls-cert FILE --tls-key FILE")]
    [InlineData("serve --listen 0.0.0.0:1 --kubernetes --webhook-service a.b --tls-ca r", "--tls-ca: means nothing without --kubernetes and --tls-cert")]
    [InlineData("serve --tls-cert c --tls-key k --token-file t --tls-ca r", "--tls-ca: means nothing without --kubernetes and --tls-cert")]
    [InlineData("serve --lease-namespace n", "--lease-namespace: means nothing without --kubernetes; add --kubernetes")]
    [InlineData("serve --kubeconfig k", "--kubeconfig: means nothing without --kubernetes; add --kubernetes")]
    [InlineData("serve --context c", "--context: means nothing without --kubernetes")]
    [InlineData("serve --kubernetes --data d", "--data: with --kubernetes the rules live in the cluster; leave --data out")]
    [InlineData("serve --kubernetes=maybe", "--kubernetes: 'maybe' is not right; write true or false")]
    [InlineData("serve --webhook-listen 15017", "--webhook-listen: '15017' is not right; write IP:PORT")]
    [InlineData("serve --webhook-service mesh", "--webhook-service: 'mesh' is not right; write NAME.NAMESPACE")]
    [InlineData("serve --tls-cert c", "--tls-key: missing; TLS and token go together, add --tls-key FILE --token-file FILE")]
    public void Read_Wrong_IsOneLineThatSaysWhatToWrite(string line, string expected)
    {
        CommandLineResult result = Read(line);

        Assert.Null(result.Options);
        Assert.StartsWith(expected, result.Error, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', result.Error!);
    }

    [Theory]
    [InlineData("serve --kubernetes --listen 0.0.0.0:1 --webhook-service a.b", true)]
    [InlineData("serve --kubernetes --listen 0.0.0.0:1 --tls-cert c --tls-key k", false)]
    [InlineData("serve --kubernetes", false)]
    [InlineData("serve", false)]
    public void Read_OwnCertificate_IsThatOfAClusterWhereNoneIsGiven(string line, bool expected) => Assert.Equal(expected, Read(line).Options!.HasOwnCertificate);

    [Fact]
    public void Read_Environment_FillsWhatTheLineLeavesOpen()
    {
        Dictionary<string, string> environment = new() { ["MESH_LISTEN"] = "127.0.0.1:1", ["MESH_METRICS_LISTEN"] = "127.0.0.1:2" };

        ServeOptions options = CommandLine.Read(["serve", "--listen", "127.0.0.1:3"], environment.GetValueOrDefault).Options!;
        string? error = CommandLine.Read(["serve"], name => name == "MESH_LISTEN" ? "x" : null).Error;

        Assert.Equal(("127.0.0.1:3", "127.0.0.1:2"), (options.Listen.ToString(), options.MetricsListen!.ToString()));
        Assert.StartsWith("MESH_LISTEN: 'x' is not right", error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("XDG_STATE_HOME", "/state", "/state/mesh")]
    [InlineData("HOME", "/home/me", "/home/me/.local/state/mesh")]
    public void Read_NoData_IsTheUsersStateFolder(string variable, string value, string expected)
    {
        Assert.Equal(expected, CommandLine.Read(["serve"], name => name == variable ? value : null).Options!.Data);
    }

    [Fact]
    public void Read_HelpAndVersion_AreOutput()
    {
        string help = Read("serve --help").Output!;

        Assert.All(OptionRow.All, row => Assert.Contains(row.Name, help, StringComparison.Ordinal));
        Assert.Equal($"mesh-control-plane {CommandLine.Version}\n", Read("--version").Output);
    }

    private static CommandLineResult Read(string line) =>
        CommandLine.Read(line.Split(' ', StringSplitOptions.RemoveEmptyEntries), static _ => null);
}
