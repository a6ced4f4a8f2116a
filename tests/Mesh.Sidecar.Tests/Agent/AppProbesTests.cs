using System.Collections.Immutable;
using Mesh.Sidecar.Agent;
using Mesh.Sidecar.Options;
using Xunit;

namespace Mesh.Sidecar.Tests.Agent;

/// <summary>What the injection hands over is read in Istio's shape.</summary>
public sealed class AppProbesTests
{
    [Fact]
    public void TryRead_EveryKind_IsAsThePodHadIt()
    {
        bool isRead = AppProbes.TryRead(
            """
            {
              "/app-health/web/livez": {"httpGet": {"path": "live?x=1", "port": 8080, "scheme": "HTTPS", "httpHeaders": [{"name": "x-a", "value": "1"}]}, "timeoutSeconds": 3},
              "/app-health/web/readyz": {"tcpSocket": {"port": 9000}},
              "/app-health/rpc/startupz": {"grpc": {"port": 9001, "service": "shop"}}
            }
            """, out ImmutableDictionary<string, AppProbe> probes);

        Assert.True(isRead);
        AppProbe web = probes["/app-health/web/livez"];
        Assert.Equal((ProbeKind.Http, 8080, "/live?x=1", true, TimeSpan.FromSeconds(3)), (web.Kind, web.Port, web.Path, web.IsTls, web.Timeout));
        Assert.Equal(("x-a", "1"), Assert.Single(web.Headers));
        Assert.Equal(new AppProbe(ProbeKind.Tcp, 9000), probes["/app-health/web/readyz"]);
        Assert.Equal(new AppProbe(ProbeKind.Grpc, 9001) { Service = "shop" }, probes["/app-health/rpc/startupz"]);
    }

    [Theory]
    [InlineData("", true)]
    [InlineData("{}", true)]
    [InlineData("[]", false)]
    [InlineData("{", false)]
    [InlineData("""{"/a": {"exec": {}}}""", false)]
    [InlineData("""{"/a": {"httpGet": {}}}""", false)]
    [InlineData("""{"/a": {"httpGet": {"port": "web"}}}""", false)]
    [InlineData("""{"/a": {"tcpSocket": {"port": 0}}}""", false)]
    public void TryRead_WhatIsNoProbe_IsRefused(string json, bool isRead)
    {
        Assert.Equal(isRead, AppProbes.TryRead(json, out ImmutableDictionary<string, AppProbe> probes));
        Assert.Empty(probes);
    }

    [Theory]
    [InlineData("""{"scrape": "true", "path": "/m", "port": "9090"}""", "/m", 9090)]
    [InlineData("""{"scrape": "true", "path": "", "port": ""}""", "/metrics", 80)]
    [InlineData("""{"scrape": "", "path": "/m", "port": "9090"}""", null, 0)]
    public void Metrics_AreScrapedWhereThePodSaidSo(string json, string? path, int port)
    {
        Assert.True(AppMetrics.TryRead(json, out AppMetrics? metrics));
        Assert.Equal(path is null ? null : new AppMetrics(path, port), metrics);
    }

    [Theory]
    [InlineData("MESH_APP_METRICS")]
    [InlineData("ISTIO_PROMETHEUS_ANNOTATIONS")]
    public void Variable_OfIstio_IsReadToo(string variable)
    {
        CommandLineResult line = CommandLine.Read(
            ["run", "--rules", "/"], name => name == variable ? """{"scrape":"true","port":"81"}""" : null);
        Assert.Equal(new AppMetrics("/metrics", 81), line.Options!.AppMetrics);
    }

    [Fact]
    public void Variable_ThatIsWrong_IsNamed()
    {
        CommandLineResult line = CommandLine.Read(["run", "--rules", "/"], static name => name == "ISTIO_KUBE_APP_PROBERS" ? "[]" : null);
        Assert.StartsWith("ISTIO_KUBE_APP_PROBERS: '[]' is not right; write a JSON object of probes", line.Error, StringComparison.Ordinal);
    }
}
