using System.Text.Json.Nodes;
using Mesh.Rules.Kinds;

namespace Mesh.Rules.Schema;

/// <summary>The CustomResourceDefinition of a kind, for a cluster's own API server. Pure.</summary>
internal static class CrdDocument
{
    public static JsonObject For(RuleKind kind)
    {
        JsonArray versions = [];
        foreach (string version in kind.Versions)
        {
            versions.Add((JsonNode)Version(kind, version));
        }

        return new JsonObject
        {
            ["apiVersion"] = "apiextensions.k8s.io/v1",
            ["kind"] = "CustomResourceDefinition",
            ["metadata"] = new JsonObject { ["name"] = $"{kind.Plural}.{kind.Group}" },
            ["spec"] = new JsonObject
            {
                ["group"] = kind.Group,
                ["names"] = new JsonObject
                {
                    ["kind"] = kind.Kind,
                    ["listKind"] = $"{kind.Kind}List",
                    ["plural"] = kind.Plural,
                    ["singular"] = kind.Singular,
                    ["shortNames"] = Texts(kind.ShortNames),
                    ["categories"] = Texts(kind.Categories),
                },
                ["scope"] = "Namespaced",
                ["versions"] = versions,
            },
        };
    }

    private static JsonObject Version(RuleKind kind, string version)
    {
        JsonArray columns = [];
        foreach (PrinterColumn column in kind.Columns)
        {
            columns.Add((JsonNode)Column(column));
        }

        columns.Add((JsonNode)Column(new PrinterColumn("Age", "date", ".metadata.creationTimestamp", "Time since creation")));
        foreach (PrinterColumn column in RuleKind.StatusColumns)
        {
            columns.Add((JsonNode)Column(column));
        }

        return new JsonObject
        {
            ["name"] = version,
            ["served"] = true,
            ["storage"] = version == kind.StorageVersion,
            ["subresources"] = new JsonObject { ["status"] = new JsonObject() },
            ["additionalPrinterColumns"] = columns,
            ["schema"] = new JsonObject { ["openAPIV3Schema"] = kind.OpenApiSchema() },
        };
    }

    private static JsonObject Column(PrinterColumn column)
    {
        JsonObject result = new()
        {
            ["name"] = column.Name,
            ["type"] = column.Type,
            ["description"] = column.Description,
            ["jsonPath"] = column.JsonPath,
        };
        if (column.Priority > 0)
        {
            result["priority"] = column.Priority;
        }

        return result;
    }

    private static JsonArray Texts(IEnumerable<string> texts) => [.. texts.Select(static text => (JsonNode)text)];
}
