using Mesh.Peers.CommandLine;

namespace Mesh.Bench.Tests.Peers;

public sealed class PeersOptionsTests
{
    [Fact]
    public void Parse_Nothing_IsFiveRoundsAgainstEverybody()
    {
        PeersOptions options = PeersOptions.Parse([], out _)!;

        Assert.Equal((5, 5, false, false), (options.Rounds, options.Seconds, options.Full, options.IsNative));
        Assert.Equal(["direct", "haproxy", "nginx", "forwarder"], options.Peers);
        Assert.Null(options.Sidecar);
        Assert.Null(options.JsonFile);
    }

    [Fact]
    public void Parse_Everything_IsTaken()
    {
        PeersOptions options = PeersOptions.Parse(
            ["--full", "--json", "a.json", "--rounds", "7", "--seconds", "2", "--peers", "nginx,haproxy", "--sidecar", "out/sidecar", "--runtime", "native"], out _)!;

        Assert.Equal((7, 2, true, true), (options.Rounds, options.Seconds, options.Full, options.IsNative));
        Assert.Equal(["haproxy", "nginx"], options.Peers);
        Assert.Equal(("a.json", "out/sidecar"), (options.JsonFile, options.Sidecar));
    }

    [Theory]
    [InlineData("out/sidecar", true)]
    [InlineData("out/Mesh.Sidecar.dll", false)]
    public void Parse_SidecarWithoutRuntime_IsWhatItsNameSays(string file, bool isNative) =>
        Assert.Equal(isNative, PeersOptions.Parse(["--sidecar", file], out _)!.IsNative);

    [Theory]
    [InlineData("unknown option '--rond'; see --help", "--rond", "3")]
    [InlineData("--rounds: '0' is not right; write a number from 1 to 100", "--rounds", "0")]
    [InlineData("--rounds: '' is not right; write a number from 1 to 100", "--rounds")]
    [InlineData("--seconds: '61' is not right; write a number from 1 to 60", "--seconds", "61")]
    [InlineData("--runtime: 'aot' is not right; write jit or native", "--runtime", "aot")]
    [InlineData("--peers: 'envoy' is not right; write names with commas between, of direct, haproxy, nginx, forwarder, routes, resilience", "--peers", "envoy")]
    [InlineData("--peers: ',' is not right; write names with commas between, of direct, haproxy, nginx, forwarder, routes, resilience", "--peers", ",")]
    [InlineData("--json needs a file", "--json")]
    [InlineData("--sidecar needs a file", "--sidecar")]
    [InlineData("--runtime native needs --sidecar FILE with a native binary, not an assembly", "--runtime", "native")]
    [InlineData("--runtime jit needs an assembly; 'out/sidecar' does not end with .dll", "--sidecar", "out/sidecar", "--runtime", "jit")]
    public void Parse_Mistake_SaysWhatToWrite(string expected, params string[] args)
    {
        Assert.Null(PeersOptions.Parse(args, out string error));
        Assert.Equal(expected, error);
    }

    [Fact]
    public async Task Run_Mistake_IsExitCode2()
    {
        StringWriter errors = new();

        int code = await PeersProgram.RunAsync(["--peers"], TextWriter.Null, errors, TimeProvider.System, new Testing.ScriptedRandom());

        Assert.Equal(2, code);
        Assert.StartsWith("mesh-peers: --peers: ''", errors.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void Parse_Before_IsAnotherBuild_AndRoutesIsNoDefault()
    {
        Assert.Equal("old/Mesh.Sidecar.dll", PeersOptions.Parse(["--before", "old/Mesh.Sidecar.dll"], out _)!.Before);
        Assert.DoesNotContain("routes", PeersOptions.Parse([], out _)!.Peers);
        Assert.Equal(["routes"], PeersOptions.Parse(["--peers", "routes"], out _)!.Peers);
    }
}
