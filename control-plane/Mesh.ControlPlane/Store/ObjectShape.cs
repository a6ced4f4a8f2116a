using System.Text.Json.Nodes;

namespace Mesh.ControlPlane.Store;

/// <summary>
/// The types of the fields that the store and the API themselves read: identity, metadata, status. The rule library looks at the rest. Whoever passed this may cast
/// them without fear. Stateless.
/// </summary>
internal static class ObjectShape
{
    private static readonly string[] Texts =
        ["name", "generateName", "namespace", "uid", "resourceVersion", "creationTimestamp", "deletionTimestamp", "selfLink"];

    private static readonly string[] EntryTexts = ["manager", "operation", "apiVersion", "time", "subresource", "fieldsType"];

    /// <summary>The first field of a wrong type and what it must be; null when all are right. A missing or null field is right.</summary>
    public static (string Field, string Message)? Problem(JsonObject obj) =>
        NotText(obj, "apiVersion", "") ?? NotText(obj, "kind", "") ?? NotObject(obj, "metadata", "") ?? NotObject(obj, "status", "") ??
        (obj["metadata"] is JsonObject metadata ? Metadata(metadata) : null);

    /// <summary>The same for an object's metadata, or the part of it in a patch or in preconditions.</summary>
    public static (string Field, string Message)? Metadata(JsonObject metadata)
    {
        foreach (string name in Texts)
        {
            if (NotText(metadata, name, "metadata.") is { } problem)
            {
                return problem;
            }
        }

        return Finalizers(metadata["finalizers"]) ?? ManagedFields(metadata["managedFields"]);
    }

    private static (string, string)? Finalizers(JsonNode? node) =>
        node is null || (node is JsonArray list && list.All(IsText)) ? null : ("metadata.finalizers", "must be a list of texts");

    private static (string, string)? ManagedFields(JsonNode? node)
    {
        const string Field = "metadata.managedFields";
        if (node is null)
        {
            return null;
        }

        if (node is not JsonArray entries)
        {
            return (Field, "must be a list; leave it out to keep what is known");
        }

        for (int i = 0; i < entries.Count; i++)
        {
            string at = $"{Field}[{i}]";
            if (entries[i] is not JsonObject entry)
            {
                return (at, "must be an object");
            }

            (string, string)? problem = NotObject(entry, "fieldsV1", at + ".");
            foreach (string name in EntryTexts)
            {
                problem ??= NotText(entry, name, at + ".");
            }

            if (problem is not null)
            {
                return problem;
            }
        }

        return null;
    }

    private static (string, string)? NotText(JsonObject obj, string name, string prefix) =>
        obj[name] is null || IsText(obj[name]) ? null : (prefix + name, "must be a text; put it in quotes");

    private static (string, string)? NotObject(JsonObject obj, string name, string prefix) =>
        obj[name] is null or JsonObject ? null : (prefix + name, "must be an object");

    private static bool IsText(JsonNode? node) => node?.GetValueKind() == System.Text.Json.JsonValueKind.String;
}
