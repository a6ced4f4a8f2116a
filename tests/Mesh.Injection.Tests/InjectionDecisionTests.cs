using Xunit;

namespace Mesh.Injection;

public sealed class InjectionDecisionTests
{
    private static readonly InjectionSettings Disabled = InjectionSettings.Default with { IsEnabled = false };

    [Fact]
    public void Inject_HostNetwork_IsNeverInjectedEvenWhenAsked()
    {
        InjectionResult result = Pods.Inject(Label("true").Replace("spec:", "spec:\n  hostNetwork: true", StringComparison.Ordinal));

        Assert.False(result.IsInjected);
        Assert.Contains("host's network", result.Reason, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("kube-system")]
    [InlineData("mesh-system")]
    public void Inject_IgnoredNamespace_IsNeverInjectedEvenWhenAsked(string ns)
    {
        InjectionResult result = SidecarInjector.Inject(Pods.Input(Label("true"), ns), InjectionSettings.Default);

        Assert.False(result.IsInjected);
    }

    [Theory]
    [InlineData("true", "false", true)]
    [InlineData("false", "true", false)]
    public void Inject_LabelAndAnnotation_LabelDecides(string label, string annotation, bool injected)
    {
        string pod = Label(label).Replace("  labels:", $"  annotations:\n    {Names.InjectKey}: '{annotation}'\n  labels:", StringComparison.Ordinal);

        Assert.Equal(injected, Pods.Inject(pod).IsInjected);
        Assert.Equal(injected, Pods.Inject(pod, Disabled).IsInjected);
    }

    [Fact]
    public void Inject_AnnotationAlone_Decides()
    {
        Assert.False(Pods.Inject(Pods.With(Names.InjectKey, "false")).IsInjected);
        Assert.True(Pods.Inject(Pods.With(Names.InjectKey, "true"), Disabled).IsInjected);
    }

    [Fact]
    public void Inject_OtherValue_WarnsAndTakesThePolicy()
    {
        InjectionResult result = Pods.Inject(Label("yes"));

        Assert.True(result.IsInjected);
        Assert.Contains("\"yes\" says neither", Assert.Single(result.Warnings), StringComparison.Ordinal);
        Assert.False(Pods.Inject(Label("yes"), Disabled).IsInjected);
    }

    [Fact]
    public void Inject_Selectors_NeverGoesBeforeAlwaysAndBothAfterTheLabel()
    {
        LabelSelector orders = new([new LabelCondition("app", "In", ["orders"])]);
        InjectionSettings always = Disabled with { AlwaysInject = [orders] };
        InjectionSettings both = always with { NeverInject = [orders] };

        Assert.True(Pods.Inject(Pods.Plain, always).IsInjected);
        Assert.False(Pods.Inject(Pods.Plain, both).IsInjected);
        Assert.True(Pods.Inject(Label("true"), both).IsInjected);
        Assert.False(Pods.Inject(Label("false"), always).IsInjected);
    }

    [Theory]
    [InlineData("istio-injection=enabled", null, true)]
    [InlineData("istio-injection=enabled", "false", false)]
    [InlineData("istio-injection=disabled", "true", false)]
    [InlineData("istio-injection=enabled,istio.io/rev=other", null, true)]
    [InlineData("istio-injection=disabled,istio.io/rev=default", null, false)]
    [InlineData("istio.io/rev=default", null, true)]
    [InlineData("istio.io/rev=other", "true", false)]
    [InlineData("", null, false)]
    [InlineData("", "true", true)]
    public void Inject_NamespaceLabels_DecideAsIstiosWebhooksSelect(string labels, string? podLabel, bool injected)
    {
        PodInput input = Pods.Input(podLabel is null ? Pods.Plain : Label(podLabel)) with
        {
            NamespaceLabels = labels.Split(',', StringSplitOptions.RemoveEmptyEntries).ToDictionary(static l => l.Split('=')[0], static l => l.Split('=')[1]),
        };

        Assert.Equal(injected, SidecarInjector.Inject(input, InjectionSettings.Default).IsInjected);
    }

    [Theory]
    [InlineData("In", true, false)]
    [InlineData("NotIn", false, true)]
    [InlineData("Exists", true, false)]
    [InlineData("DoesNotExist", false, true)]
    public void Matches_Operator_AsKubernetes(string @operator, bool there, bool missing)
    {
        LabelSelector selector = new([new LabelCondition("track", @operator, ["canary"])]);

        Assert.Equal(there, selector.Matches(new Dictionary<string, string> { ["track"] = "canary" }));
        Assert.Equal(missing, selector.Matches(new Dictionary<string, string>()));
    }

    private static string Label(string value) => Pods.Plain.Replace("labels:", $"labels:\n    {Names.InjectKey}: '{value}'", StringComparison.Ordinal);
}
