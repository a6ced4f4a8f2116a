using System.Collections.Immutable;
using Mesh.Rules.Reading;
using Mesh.Rules.Validation;
using Mesh.Rules.Wire;
using Xunit;
using static Mesh.Rules.Resolution.RuleBuilder;

namespace Mesh.Rules.Compilation;

/// <summary>
/// Rule files beside what they compile to for <c>orders</c> in namespace default, in one small mesh. A change of either is seen as a diff that a person can read.
/// </summary>
public sealed class SnapshotGoldenTests
{
    private static readonly ProxyIdentity Orders = new("default", "orders", 80, "127.0.0.1:9000", Labels("app=orders", "version=v1"));

    public static TheoryData<string> Names => [.. Directory.GetFiles(Folder(), "*.yaml").Select(f => Path.GetFileNameWithoutExtension(f)).Order(StringComparer.Ordinal)];

    [Theory]
    [MemberData(nameof(Names))]
    public void Compile_RuleFile_GivesTheTextBesideIt(string name)
    {
        ImmutableArray<RuleReadResult> read = RuleReader.ReadYaml(File.ReadAllText(Path.Combine(Folder(), name + ".yaml")), name + ".yaml");
        Assert.DoesNotContain(read.SelectMany(r => r.Diagnostics), d => d.Severity == Severity.Error);
        MeshView view = Mesh() with { Rules = read.Select(r => r.Document!).ToImmutableDictionary(d => d.Key) };

        string text = SnapshotText.Write(new SnapshotCompiler().Compile(Orders, view, "1"));

        string path = Path.Combine(Folder(), name + ".txt");
        if (Environment.GetEnvironmentVariable("UPDATE_GOLDEN") == "1")
        {
            File.WriteAllText(path, text);
        }

        Assert.True(File.Exists(path), $"{path} is missing; run with UPDATE_GOLDEN=1 and read what it writes");
        Assert.Equal(File.ReadAllText(path), text);
    }

    private static MeshView Mesh() => new()
    {
        Services = ImmutableDictionary.CreateRange(new[]
        {
            Service("products", "default", new MeshServicePort(8080, "HTTP"), new MeshServicePort(9090, "TCP")),
            Service("orders", "default", new MeshServicePort(80, "HTTP")),
            Service("warehouse", "stock", new MeshServicePort(80, "HTTP")),
        }.Select(s => KeyValuePair.Create(s.Host, s))),
        Endpoints = ImmutableDictionary<string, ImmutableArray<MeshEndpoint>>.Empty
            .Add("products.default.svc.cluster.local", [Endpoint(8080, 3, "v2"), Endpoint(8080, 1, "v1"), Endpoint(8080, 2, "v1"), Endpoint(9090, 4, "v2")])
            .Add("warehouse.stock.svc.cluster.local", [Endpoint(80, 5, "v1")]),
    };

    private static MeshService Service(string name, string ns, params MeshServicePort[] ports) => new($"{name}.{ns}.svc.cluster.local", ns, [.. ports]);

    private static MeshEndpoint Endpoint(int servicePort, int number, string version) =>
        new($"127.0.0.{number}:7000", servicePort, Labels("version=" + version), "", "w" + number, version);

    private static string Folder()
    {
        DirectoryInfo? at = new(AppContext.BaseDirectory);
        while (at is not null && !File.Exists(Path.Combine(at.FullName, "Mesh.sln")))
        {
            at = at.Parent;
        }

        return Path.Combine(at!.FullName, "tests", "Mesh.Rules.Tests", "Compilation", "Golden");
    }
}
