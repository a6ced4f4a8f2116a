using Xunit;

namespace Mesh.Injection;

public sealed class SettingRowTests
{
    [Fact]
    public void Read_AllFields_AreTaken()
    {
        (InjectionSettings? settings, string? problem) = SettingRow.Read("""
            image: registry.example/sidecar:2
            imagePullPolicy: Always
            program: /sidecar
            controlPlane: https://mesh.example:15010
            revision: canary
            policy: disabled
            nativeSidecar: false
            kubernetesVersion: 1.30
            holdApplicationUntilProxyStarts: false
            rewriteAppHTTPProbers: false
            mergeMetrics: false
            ignoredNamespaces: [kube-system, infra]
            neverInjectSelector:
            - matchLabels: {app: db}
            alwaysInjectSelector:
            - matchExpressions: [{key: tier, operator: In, values: [front, back]}]
            resources: {requests: {cpu: 50m, memory: 64Mi}, limits: {memory: 256Mi}}
            """);

        Assert.Null(problem);
        Assert.Equal(("registry.example/sidecar:2", "Always", "/sidecar"), (settings!.Image, settings.ImagePullPolicy, settings.Program));
        Assert.Equal(("https://mesh.example:15010", "canary"), (settings.ControlPlane, settings.Revision));
        Assert.Equal((false, NativeSidecar.Never, 30), (settings.IsEnabled, settings.Native, settings.KubernetesMinor));
        Assert.Equal((false, false, false), (settings.HoldsApplication, settings.RewritesProbes, settings.MergesMetrics));
        Assert.Equal("kube-system infra", string.Join(' ', settings.IgnoredNamespaces));
        Assert.Equal("app", Assert.Single(settings.NeverInject).Conditions[0].Key);
        Assert.Equal("front back", string.Join(' ', Assert.Single(settings.AlwaysInject).Conditions[0].Values));
        Assert.Equal(new ResourceSettings("50m", "64Mi", null, "256Mi"), settings.Resources);
    }

    [Theory]
    [InlineData("tokenAudience: other", "tokenAudience: there is no such setting")] // the control plane would take no such token
    [InlineData("rootConfigMap: other", "rootConfigMap: there is no such setting")] // nor write that ConfigMap
    [InlineData("images: x", "images: there is no such setting")]
    [InlineData("policy: on", "policy: true is not right; write enabled or disabled")]
    [InlineData("controlPlane: http://mesh.example:15010", "controlPlane: \"http://mesh.example:15010\" is not right; write a URL of https")]
    [InlineData("kubernetesVersion: two", "kubernetesVersion: \"two\" is not right")]
    [InlineData("neverInjectSelector: [{labels: {}}]", "neverInjectSelector:")]
    [InlineData("resources: {requests: {cpu: half}}", "resources:")]
    [InlineData("image: @x", "line 1")]
    public void Read_Wrong_SaysWhat(string text, string problem)
    {
        (InjectionSettings? settings, string? found) = SettingRow.Read(text);

        Assert.Null(settings);
        Assert.StartsWith(problem, found, StringComparison.Ordinal);
    }
}
