using System.Text.Json.Nodes;
using Mesh.Rules.Reading;
using Xunit;

namespace Mesh.Injection;

/// <summary>Pods of tests, and what injection makes of them.</summary>
internal static class Pods
{
    public const string Plain = """
        metadata:
          labels:
            app: orders
            version: v2
        spec:
          containers:
          - name: app
            image: orders:1
            ports:
            - name: web
              containerPort: 8080
        """;

    public static JsonObject Yaml(string text)
    {
        (JsonObject? read, var problems) = RuleJson.FromManifest(text);
        Assert.Empty(problems);
        return read!;
    }

    public static PodInput Input(string template, string ns = "shop")
    {
        JsonObject pod = Yaml(template);
        return new PodInput(pod["metadata"] as JsonObject, (JsonObject)pod["spec"]!, ns, "orders");
    }

    public static InjectionResult Inject(string template, InjectionSettings? settings = null) =>
        SidecarInjector.Inject(Input(template), settings ?? InjectionSettings.Default);

    /// <summary>As <see cref="Plain"/>, with one annotation.</summary>
    public static string With(string key, string value) =>
        Plain.Replace("metadata:", $"metadata:\n  annotations:\n    {key}: '{value}'", StringComparison.Ordinal);

    public static JsonObject Container(this InjectionResult result, string list, string name)
    {
        Assert.True(result.IsInjected, $"{result.Reason} {string.Join("; ", result.Problems)}");
        return result.Spec.Items(list).Single(c => c.Text("name") == name);
    }

    public static string[] Names(this InjectionResult result, string list)
    {
        Assert.True(result.IsInjected, $"{result.Reason} {string.Join("; ", result.Problems)}");
        return [.. result.Spec.Items(list).Select(static c => c.Text("name")!)];
    }

    public static string[] Args(this JsonObject container) => [.. ((JsonArray)container["args"]!).Select(static a => a!.GetValue<string>())];

    public static string? Variable(this JsonObject container, string name) =>
        container.Items("env").FirstOrDefault(e => e.Text("name") == name).Text("value");
}
