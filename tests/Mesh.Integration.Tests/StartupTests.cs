using System.Net;
using System.Net.Sockets;
using Xunit;

namespace Mesh.Integration.Tests;

/// <summary>What a person sees who types something wrong: one line that says what to write, and the promised exit code.</summary>
public sealed class StartupTests
{
    public static TheoryData<string, string> Mistakes => new()
    {
        { "Mesh.Sidecar", "run --servce orders" },
        { "Mesh.Sidecar", "run --service orders:http --app 127.0.0.1:1 --control-plane http://127.0.0.1:1" },
        { "Mesh.Sidecar", "run --service orders:80 --app 127.0.0.1:1" },
        { "Mesh.Sidecar", "run --rules /does/not/exist --service orders:80 --app 127.0.0.1:1" },
        { "Mesh.Sidecar", "walk" },
        { "Mesh.ControlPlane", "serve --listen nowhere" },
        { "Mesh.ControlPlane", "serve --listen 0.0.0.0:0" },
        { "Mesh.ControlPlane", "serv" },
        { "Mesh.Load", "-c two -t 10S http://127.0.0.1:1/" },
        { "Mesh.Shop", "basket" },
    };

    [Theory]
    [MemberData(nameof(Mistakes))]
    public async Task WrongUsage_IsOneLineAndExitCode2(string project, string arguments)
    {
        await using MeshProcess process = MeshProcess.Start(project, arguments.Split(' '));

        Assert.Equal(2, await process.ExitCodeAsync());
        await Eventually.TrueAsync(() => process.Errors.Length > 0, () => "nothing was said");
        Assert.DoesNotContain('\n', process.Errors.Trim());
    }

    [Theory]
    [InlineData("Mesh.Sidecar", "run --service orders:80 --app 127.0.0.1:9 --control-plane http://127.0.0.1:9 --outbound TAKEN --inbound 127.0.0.1:0 --admin 127.0.0.1:0 --health 127.0.0.1:0 --metrics 127.0.0.1:0")]
    [InlineData("Mesh.Sidecar", "run --service orders:80 --app 127.0.0.1:9 --control-plane http://127.0.0.1:9 --outbound 127.0.0.1:0 --inbound 127.0.0.1:0 --admin TAKEN --health 127.0.0.1:0 --metrics 127.0.0.1:0")]
    [InlineData("Mesh.ControlPlane", "serve --listen TAKEN --data DATA")]
    public async Task PortTaken_IsOneLineAndExitCode1(string project, string arguments)
    {
        using TcpListener taken = new(IPAddress.Loopback, 0);
        taken.Start();
        using Scratch scratch = new();
        string address = taken.LocalEndpoint.ToString()!;
        await using MeshProcess process = MeshProcess.Start(
            project, [.. arguments.Split(' ').Select(a => a.Replace("TAKEN", address, StringComparison.Ordinal).Replace("DATA", scratch.Path, StringComparison.Ordinal))]);

        Assert.Equal(1, await process.ExitCodeAsync());
        await Eventually.TrueAsync(() => process.Errors.Contains(address, StringComparison.Ordinal), () => "the address is not named: " + process.Errors);
        Assert.DoesNotContain('\n', process.Errors.Trim());
    }

    [Theory]
    [InlineData("Mesh.Sidecar")]
    [InlineData("Mesh.ControlPlane")]
    [InlineData("Mesh.Load")]
    [InlineData("Mesh.Shop")]
    public async Task HelpAndVersion_AreOnStandardOutput(string project)
    {
        await using MeshProcess help = MeshProcess.Start(project, "--help");
        await using MeshProcess version = MeshProcess.Start(project, "--version");

        Assert.Equal(0, await help.ExitCodeAsync());
        Assert.Equal(0, await version.ExitCodeAsync());
        await Eventually.TrueAsync(() => help.Output.Length > 100, () => "no help: " + help.Output);
        await Eventually.TrueAsync(() => version.Output.Contains("0.1.0", StringComparison.Ordinal), () => "no version: " + version.Output);
    }
}
