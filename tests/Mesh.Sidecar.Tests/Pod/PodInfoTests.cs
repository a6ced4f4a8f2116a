using Mesh.Sidecar.Options;
using Mesh.Sidecar.Pod;
using Xunit;

namespace Mesh.Sidecar.Tests.Pod;

public sealed class PodInfoTests : IDisposable
{
    private readonly Scratch _scratch = new();
    private readonly List<string> _warnings = [];

    public void Dispose() => _scratch.Dispose();

    [Theory]
    [InlineData("\"\"", "")]
    [InlineData("\"orders\"", "orders")]
    [InlineData("\"a=b c\"", "a=b c")]
    [InlineData("\"say \\\"no\\\"\\\\\\n\\t\"", "say \"no\"\\\n\t")]
    [InlineData("\"\\a\\b\\f\\r\\v\\'\"", "\a\b\f\r\v'")]
    [InlineData("\"grün \\u00e4 \\U0001f600\"", "grün ä 😀")]
    [InlineData("\"\\xc3\\xa4\"", "ä")] // bytes, two of which are one character
    [InlineData("orders", null)]
    [InlineData("\"", null)]
    [InlineData("\"open", null)]
    [InlineData("\"a\"b\"", null)]
    [InlineData("\"\\\"", null)] // its last quote is escaped
    [InlineData("\"\\q\"", null)]
    [InlineData("\"\\u12\"", null)]
    [InlineData("\"\\ud800\"", null)]
    public void QuotedText_IsGos(string literal, string? expected)
    {
        Assert.Equal(expected is not null, QuotedText.TryRead(literal, out string? text));
        Assert.Equal(expected, text);
    }

    [Theory]
    [InlineData("service.istio.io/canonical-name=\"a\"\napp=\"b\"\n", "a")]
    [InlineData("app.kubernetes.io/name=\"n\"\napp=\"b\"\n", "n")]
    [InlineData("app=\"b\"\n", "b")]
    [InlineData("app=\"\"\n", "orders-1")]
    [InlineData("", "orders-1")]
    public void Workload_IsTheCanonicalName(string labels, string expected) => Assert.Equal(expected, Complete(labels).Workload);

    [Fact]
    public void Labels_AreThePods_AndTheCommandLineGoesBefore()
    {
        SidecarOptions options = Complete("app=\"orders\"\nversion=\"v2\"\n", "--labels", "tier=front,version=v3");

        Assert.Equal("app=orders,tier=front,version=v3", string.Join(',', options.Labels.Select(static l => $"{l.Key}={l.Value}")));
        Assert.Equal("v3", options.Version);
        Assert.Equal("v2", Complete("version=\"v2\"\n").Version);
        Assert.Equal("r7", Complete("version=\"v2\"\nservice.istio.io/canonical-revision=\"r7\"\n").Version);
        Assert.Empty(_warnings);
    }

    [Fact]
    public void WrongLine_IsToldWithItsPlace_AndTheRestCounts()
    {
        Assert.Equal("orders", Complete("nonsense\napp=\"orders\"\nb=c\n").Labels["app"]);

        Assert.Equal(2, _warnings.Count);
        Assert.Contains("labels:1: not of the form key=\"value\"", _warnings[0], StringComparison.Ordinal);
        Assert.Contains("labels:3: ", _warnings[1], StringComparison.Ordinal);
    }

    [Fact]
    public void MissingFolder_IsTold_AndTheSidecarGoesOn()
    {
        SidecarOptions options = PodInfo.Complete(Options("--pod-info", _scratch.File("none")), _warnings.Add);

        Assert.Equal(("orders-1", 0), (options.Workload, options.Labels.Count));
        Assert.StartsWith("--pod-info: Could not find a part of the path", Assert.Single(_warnings), StringComparison.Ordinal);
    }

    private static SidecarOptions Options(params string[] more)
    {
        CommandLineResult result = CommandLine.Read(
            ["run", "--pod", "orders-1.shop", "--pod-ips", "10.0.0.7", "--control-plane", "http://127.0.0.1:1", .. more], static _ => null);
        Assert.Null(result.Error);
        return result.Options!;
    }

    private SidecarOptions Complete(string labels, params string[] more)
    {
        _scratch.File("pod/labels", labels);
        return PodInfo.Complete(Options(["--pod-info", _scratch.File("pod"), .. more]), _warnings.Add);
    }
}
