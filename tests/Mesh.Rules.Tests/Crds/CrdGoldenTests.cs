using System.Text.Json.Nodes;
using Mesh.Rules.Kinds;
using Mesh.Rules.Reading;
using Mesh.Rules.Schema;
using Xunit;

namespace Mesh.Rules.Tests.Crds;

public sealed class CrdGoldenTests
{
    private const string Head = "# Generated from the field tables in Mesh.Rules/Kinds: UPDATE_GOLDEN=1 dotnet test tests/Mesh.Rules.Tests\n";
    private static readonly string[] Formats = ["int32", "int64", "double", "date-time"];

    public static TheoryData<string> Plurals => [.. RuleKinds.All.Select(kind => kind.Plural)];

    [Theory]
    [MemberData(nameof(Plurals))]
    public void CrdFile_ComparedWithTables_IsCurrent(string plural)
    {
        RuleKind kind = RuleKinds.All.Single(k => k.Plural == plural);
        string path = Path.Combine(Folder(), kind.Singular + ".yaml");
        string expected = Head + RuleWriter.ToYaml(CrdDocument.For(kind));
        if (Environment.GetEnvironmentVariable("UPDATE_GOLDEN") == "1")
        {
            File.WriteAllText(path, expected);
        }

        Assert.True(File.Exists(path) && File.ReadAllText(path) == expected, $"{path} is stale; run with UPDATE_GOLDEN=1 and read the diff");
    }

    [Theory]
    [MemberData(nameof(Plurals))]
    public void Schema_Everywhere_IsStructural(string plural) =>
        Walk(RuleKinds.All.Single(k => k.Plural == plural).OpenApiSchema(), "");

    [Fact]
    public void Find_EveryServedVersion_GivesTheKind()
    {
        foreach (RuleKind kind in RuleKinds.All)
        {
            Assert.All(kind.Versions, version => Assert.Same(kind, RuleKinds.Find(kind.Group, version, kind.Kind)));
            Assert.Null(RuleKinds.Find(kind.Group, "v9", kind.Kind));
            Assert.Contains(kind.StorageVersion, kind.Versions);
        }
    }

    private static void Walk(JsonObject schema, string path)
    {
        string? type = (string?)schema["type"];
        Assert.True(type is "object" or "array" or "string" or "integer" or "number" or "boolean" || (bool?)schema["x-kubernetes-int-or-string"] == true, $"{path} has no type"); // the one exception of Kubernetes for scalars
        Assert.False(schema.ContainsKey("properties") && schema.ContainsKey("additionalProperties"), path);
        Assert.True(schema["format"] is not { } format || Formats.Contains((string?)format), path);
        if (type == "array")
        {
            Walk(schema["items"]!.AsObject(), path + "[]");
        }

        JsonObject properties = schema["properties"] as JsonObject ?? [];
        Assert.All(schema["required"] as JsonArray ?? [], name => Assert.True(properties.ContainsKey((string)name!), path));
        foreach ((string name, JsonNode? child) in properties)
        {
            Walk(child!.AsObject(), $"{path}.{name}");
        }

        if (schema["additionalProperties"] is JsonObject values)
        {
            Walk(values, path + ".*");
        }
    }

    // Looked for from where the tests run: a CI build keeps no source paths.
    private static string Folder()
    {
        DirectoryInfo? at = new(AppContext.BaseDirectory);
        while (at is not null && !File.Exists(Path.Combine(at.FullName, "Mesh.sln")))
        {
            at = at.Parent;
        }

        return Path.Combine(at!.FullName, "crds");
    }
}
