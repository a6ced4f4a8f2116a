using System.Text;
using System.Text.Json.Nodes;
using FsCheck;
using FsCheck.Fluent;
using Mesh.Injection.Manifests;
using Mesh.Rules.Reading;
using Xunit;

namespace Mesh.Injection;

public sealed class ManifestInjectorTests
{
    private const string Template = "{spec: {containers: [{name: app, image: a}]}}";

    [Theory]
    [InlineData("apps/v1", "Deployment", "spec: {template: " + Template + "}", "spec.template")]
    [InlineData("apps/v1", "StatefulSet", "spec: {template: " + Template + "}", "spec.template")]
    [InlineData("apps/v1", "DaemonSet", "spec: {template: " + Template + "}", "spec.template")]
    [InlineData("apps/v1", "ReplicaSet", "spec: {template: " + Template + "}", "spec.template")]
    [InlineData("v1", "ReplicationController", "spec: {template: " + Template + "}", "spec.template")]
    [InlineData("batch/v1", "Job", "spec: {template: " + Template + "}", "spec.template")]
    [InlineData("batch/v1", "CronJob", "spec: {jobTemplate: {spec: {template: " + Template + "}}}", "spec.jobTemplate.spec.template")]
    [InlineData("v1", "Pod", "spec: {containers: [{name: app, image: a}]}", "")]
    public void Inject_EachKind_InjectsItsPods(string version, string kind, string rest, string path)
    {
        ManifestResult result = Inject($"apiVersion: {version}\nkind: {kind}\nmetadata: {{name: orders}}\n{rest}\n");

        JsonObject? pod = Read(result.Text).Single();
        foreach (string step in path.Split('.', StringSplitOptions.RemoveEmptyEntries))
        {
            pod = pod.Map(step);
        }

        Assert.Equal(["mesh-init", "mesh-proxy"], pod.Map("spec").Items("initContainers").Select(static c => c.Text("name")));
        Assert.Equal("orders", pod.Map("metadata").Map("labels").Text(Names.CanonicalName));
    }

    [Fact]
    public void Inject_Lists_InjectTheirItems()
    {
        const string Text = """
            apiVersion: v1
            kind: List
            items:
            - {apiVersion: v1, kind: Service, metadata: {name: s}}
            - {apiVersion: v1, kind: Pod, metadata: {name: p}, spec: {containers: [{name: app}]}}
            - {apiVersion: apps/v1, kind: DeploymentList, items: [{apiVersion: apps/v1, kind: Deployment, metadata: {name: d}, spec: {template: {spec: {containers: [{name: app}]}}}}]}
            """;
        JsonObject[] items = [.. Read(Inject(Text).Text).Single().Items("items")];

        Assert.Equal("""{"apiVersion":"v1","kind":"Service","metadata":{"name":"s"}}""", items[0].ToJsonString());
        Assert.True(items[1].Map("spec").HasNamed("initContainers", Names.Proxy));
        Assert.True(items[2].Items("items").Single().Map("spec").Map("template").Map("spec").HasNamed("initContainers", Names.Proxy));
    }

    [Fact]
    public void Inject_OtherDocuments_StayToTheLetter()
    {
        const string Before = "# head\n---\n# the service\napiVersion: v1\nkind: Service # why\nmetadata:\n    name:   s\n";
        const string After = "--- # last\nkind: ConfigMap\napiVersion: v1\ndata:\n  a: |\n    --- not a marker\n     deeper\n  n: \"012\"\n";
        ManifestResult result = Inject($"{Before}---\n{Pod("p")}{After}");

        Assert.StartsWith(Before + "---\n", result.Text, StringComparison.Ordinal);
        Assert.EndsWith(After, result.Text, StringComparison.Ordinal);
        Assert.Equal(["Service", "Pod", "ConfigMap"], Read(result.Text).Select(static o => o.Text("kind")));
    }

    [Fact]
    public void Inject_NothingToInject_GivesTheTextItself()
    {
        const string Text = "# only words\n---\n\n---\napiVersion: v1\nkind: Service\n";

        Assert.Equal(Text, Inject(Text).Text);
    }

    [Fact]
    public void Inject_Scalars_Survive()
    {
        const string Text = """
            apiVersion: v1
            kind: Pod
            metadata: {name: p}
            spec:
              containers:
              - name: app
                args: ["1.10", '0644', "yes", "null", "", " x ", "a: b", "- c", "# d", "é😀", "1e3", "~", "2001-01-01"]
                command:
                - sh
                - -c
                - |
                  set -e
                    exec "$0" --flag='x'

                - >-
                  folded
                  text
                env: [{name: N, value: "12:30:45"}]
                resources: {limits: {cpu: 1.50}}
              volumes: [{name: v, configMap: {name: c, defaultMode: 0644}}]
            """;
        JsonObject before = Read(Text).Single();
        JsonObject after = Read(Inject(Text).Text).Single();

        Assert.True(JsonNode.DeepEquals(before.Map("spec").Items("containers").Single(), after.Map("spec").Items("containers").Single()));
        Assert.Equal(420, after.Map("spec").Items("volumes").First().Map("configMap").Number("defaultMode"));
        Assert.Equal("set -e\n  exec \"$0\" --flag='x'\n", after.Map("spec").Items("containers").Single()["command"]![2]!.GetValue<string>());
        Assert.Equal("1.50", after.Map("spec").Items("containers").Single().Map("resources").Map("limits")!["cpu"]!.ToJsonString());
    }

    [Fact]
    public void Inject_AnyTexts_AreReadBackAsTheyWere()
    {
        Prop.ForAll<string[]>(static texts =>
        {
            string[] words = [.. texts.Where(static t => t is not null && t.All(static c => !char.IsSurrogate(c))).Take(8)];
            JsonObject pod = new()
            {
                ["apiVersion"] = "v1",
                ["kind"] = "Pod",
                ["metadata"] = new JsonObject { ["name"] = "p" },
                ["spec"] = new JsonObject
                {
                    ["containers"] = new JsonArray(new JsonObject
                    {
                        ["name"] = "app",
                        ["args"] = new JsonArray([.. words.Select(static w => (JsonNode?)w)]),
                    }),
                },
            };
            JsonObject after = Read(Inject(pod.ToJsonString()).Text).Single();
            Assert.Equal(words, after.Map("spec").Items("containers").Single().Args());
        }).QuickCheckThrowOnFailure();
    }

    [Fact]
    public void Inject_Twice_GivesTheTextOfTheFirstTime()
    {
        string once = Inject($"{Pod("a")}---\n{Pod("b")}").Text;

        Assert.Equal(once, Inject(once).Text);
    }

    [Fact]
    public void Inject_ReferencesAndMerges_AreFollowed()
    {
        const string Text = """
            apiVersion: v1
            kind: Pod
            metadata: {name: p, labels: &labels {app: orders, tier: back}}
            spec:
              containers:
              - &base {name: app, image: "a:1", env: [{name: A, value: "1"}]}
              - {<<: *base, name: second}
              nodeSelector: *labels
            """;
        JsonObject spec = Read(Inject(Text).Text).Single().Map("spec")!;

        Assert.Equal("""{"name":"second","image":"a:1","env":[{"name":"A","value":"1"}]}""", spec.Items("containers").Last().ToJsonString());
        Assert.Equal("""{"app":"orders","tier":"back"}""", spec["nodeSelector"]!.ToJsonString());
    }

    [Fact]
    public void Inject_ReferencesThatMultiply_AreRefused()
    {
        StringBuilder text = new("apiVersion: v1\nkind: Pod\na0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
        for (int i = 1; i < 9; i++)
        {
            text.Append($"a{i}: &a{i} [{string.Join(", ", Enumerable.Repeat($"*a{i - 1}", 10))}]\n");
        }

        ManifestResult result = Inject(text.ToString());

        Assert.Equal("", result.Text);
        Assert.Contains("references stand for more than", Assert.Single(result.Findings).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("kind: @x\n", 4)]
    [InlineData("a: 1\nb: 2\na: 3\n", 6)]
    [InlineData("- a list\n", 4)]
    [InlineData("a: *nobody\n", 4)]
    public void Inject_Unreadable_NamesTheLineAndGivesNothing(string bad, int line)
    {
        // The marker of the second document is line 3.
        ManifestResult result = Inject($"apiVersion: v1\nkind: Service\n---\n{bad}");

        Assert.Equal("", result.Text);
        ManifestFinding finding = Assert.Single(result.Findings);
        Assert.Equal((ManifestSeverity.Error, line), (finding.Severity, finding.Line));
    }

    [Fact]
    public void Inject_Namespace_IsTheObjectsOrTheGiven()
    {
        string ignored = Pod("p").Replace("name: p", "name: p, namespace: kube-system", StringComparison.Ordinal);
        ManifestResult result = Inject(ignored);

        Assert.Equal(ignored, result.Text);
        Assert.Equal(new ManifestFinding(ManifestSeverity.Note, 1, "Pod/p: left as it is: namespace kube-system is never injected"), Assert.Single(result.Findings));
        Assert.Single(ManifestInjector.Inject(Pod("p"), "kube-system", InjectionSettings.Default).Findings);
    }

    [Fact]
    public void Inject_JsonWithTabs_IsRead()
    {
        string json = "{\n\t\"apiVersion\": \"v1\", \"kind\": \"Pod\",\n\t\"metadata\": {\"name\": \"p\"},\n\t\"spec\": {\"containers\": [{\"name\": \"app\"}]}\n}\n";

        Assert.True(Read(Inject(json).Text).Single().Map("spec").HasNamed("initContainers", Names.Proxy));
    }

    private static string Pod(string name) => $"apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}}}\nspec: {{containers: [{{name: app, image: a}}]}}\n";

    private static ManifestResult Inject(string text) => ManifestInjector.Inject(text, "default", InjectionSettings.Default);

    private static JsonObject[] Read(string text) =>
        [.. ManifestDocument.Split(text).Where(static d => !d.IsEmpty).Select(static d => RuleJson.FromManifest(d.Text).Object!)];
}
