using Xunit;

namespace Mesh.Cli;

public sealed class InjectTests
{
    private const string Pod = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: p\nspec:\n  containers:\n  - name: app\n    image: a:1\n";

    [Fact]
    public void Inject_StandardInput_WritesManifestsOnly()
    {
        Invocation run = Invocation.WithInput(Pod, "inject", "-f", "-");

        Assert.Equal((0, ""), (run.Code, run.Error));
        Assert.StartsWith("---\napiVersion: v1\nkind: Pod\n", run.Output, StringComparison.Ordinal);
        Assert.Contains("name: mesh-proxy", run.Output, StringComparison.Ordinal);
    }

    [Fact]
    public void Inject_SeveralFiles_AreDocumentsOfOneText()
    {
        using TempFolder folder = new();
        string service = folder.Add("a.yaml", "apiVersion: v1\nkind: Service\nmetadata: {name: s}\n");
        string other = folder.Add("b.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}");

        Invocation run = Invocation.Of("inject", "-f", service, "--filename", other);

        Assert.Equal("apiVersion: v1\nkind: Service\nmetadata: {name: s}\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\n", run.Output);
    }

    [Fact]
    public void Inject_WrongAnnotation_EndsWith1AndWritesNothing()
    {
        string text = Pod + "---\n" + Pod.Replace("  name: p\n", "  name: q\n  annotations: {sidecar.istio.io/proxyCPU: half}\n", StringComparison.Ordinal);

        Invocation run = Invocation.WithInput(text, "inject", "-f", "-");

        Assert.Equal((1, ""), (run.Code, run.Output));
        Assert.Equal("stdin:9: error: Pod/q: annotation sidecar.istio.io/proxyCPU: 'half' is not right; write a quantity, for example \"100m\" or \"128Mi\"\n", run.Error);
    }

    [Fact]
    public void Inject_LeftAlone_IsNotedOnStandardError()
    {
        Invocation run = Invocation.WithInput(Pod, "inject", "-f", "-", "-n", "kube-system");

        Assert.Equal((0, Pod), (run.Code, run.Output));
        Assert.Equal("stdin:1: note: Pod/p: left as it is: namespace kube-system is never injected\n", run.Error);
    }

    [Fact]
    public void Inject_Settings_AreOfTheFileThenOfTheOptions()
    {
        using TempFolder folder = new();
        string settings = folder.Add("mesh.yaml", "image: of-file:1\nkubernetesVersion: 1.28\n");

        Invocation ofFile = Invocation.WithInput(Pod, "inject", "-f", "-", "--settings", settings);
        Invocation given = Invocation.WithInput(Pod, "inject", "-f", "-", "--settings", settings, "--image=given:1", "--native-sidecar", "true");

        Assert.Contains("image: of-file:1", ofFile.Output, StringComparison.Ordinal);
        Assert.DoesNotContain("restartPolicy: Always", ofFile.Output, StringComparison.Ordinal);
        Assert.Contains("image: given:1", given.Output, StringComparison.Ordinal);
        Assert.Contains("restartPolicy: Always", given.Output, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("inject: nothing to read")]
    [InlineData("inject: 'app.yaml' stands alone; write -f app.yaml", "app.yaml")]
    [InlineData("--filename: its value is missing", "-f")]
    [InlineData("--imag: there is no such option", "--imag=x", "-f", "-")]
    [InlineData("--native-sidecar: 'maybe' is not right", "--native-sidecar", "maybe")]
    [InlineData("--namespace: given twice", "-n", "a", "-n", "b")]
    [InlineData("/does/not/exist.yaml", "-f", "/does/not/exist.yaml")]
    [InlineData("--settings", "-f", "-", "--settings", "/does/not/exist.yaml")]
    public void Inject_WrongUsage_EndsWith2AndOneLine(string message, params string[] arguments)
    {
        Invocation run = Invocation.Of(["inject", .. arguments]);

        Assert.Equal((2, ""), (run.Code, run.Output));
        Assert.StartsWith($"meshctl: {message}", run.Error, StringComparison.Ordinal);
        Assert.Single(run.Error.Split('\n', StringSplitOptions.RemoveEmptyEntries));
    }
}
