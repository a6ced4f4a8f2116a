using System.Collections.Immutable;
using Mesh.Rules.Compilation;
using Mesh.Rules.Reading;
using Mesh.Rules.Wire;

namespace Mesh.Sidecar.Tests;

/// <summary>Rules, and a pipeline whose end the test holds.</summary>
internal static class TestRules
{
    public static ProxyIdentity Identity { get; } =
        new("default", "orders", 8080, "127.0.0.1:9", ImmutableSortedDictionary<string, string>.Empty);

    public static string Yaml(string name, int maxConnections = 1) => $$"""
        apiVersion: networking.istio.io/v1
        kind: DestinationRule
        metadata: { name: {{name}}, namespace: default, resourceVersion: "1" }
        spec:
          host: {{name}}
          trafficPolicy: { connectionPool: { tcp: { maxConnections: {{maxConnections}} } } }
        """;

    public static RuleKey Key(string name) => new("DestinationRule", "default", name);

    public static PushedRule Pushed(string name, string? yaml = null, string version = "1") => new(Key(name), version, yaml ?? Yaml(name));

    public static ImmutableArray<RuleReadResult> Read(string text, string source) => RuleReader.ReadYaml(text, source);

    public static string Broken(string name) => Yaml(name).Replace("maxConnections: 1", "maxConnections: many", StringComparison.Ordinal);
}

/// <summary>A folder of its own, removed at the end.</summary>
internal sealed class Scratch : IDisposable
{
    public string Path { get; } = Directory.CreateTempSubdirectory("mesh-sidecar-").FullName;

    public string File(string name, string? text = null)
    {
        string path = System.IO.Path.Combine(Path, name);
        if (text is not null)
        {
            Directory.CreateDirectory(System.IO.Path.GetDirectoryName(path)!);
            System.IO.File.WriteAllText(path, text);
        }

        return path;
    }

    public void Dispose() => Directory.Delete(Path, recursive: true);
}
