using System.Globalization;
using System.Text.Json.Nodes;

namespace Mesh.Injection;

/// <summary>The difference of two objects as a JSON Patch (RFC 6902), for the webhook's answer. Pure.</summary>
public static class JsonPatch
{
    /// <summary>Operations that make <paramref name="after"/> of <paramref name="before"/>; none when they are equal.</summary>
    public static JsonArray Between(JsonObject before, JsonObject after)
    {
        JsonArray operations = [];
        Compare(before, after, "", operations);
        return operations;
    }

    private static void Compare(JsonNode? before, JsonNode? after, string path, JsonArray operations)
    {
        if (before is JsonObject oldMap && after is JsonObject newMap)
        {
            CompareMaps(oldMap, newMap, path, operations);
        }
        else if (before is JsonArray oldList && after is JsonArray newList)
        {
            CompareLists(oldList, newList, path, operations);
        }
        else if (!JsonNode.DeepEquals(before, after))
        {
            Add(operations, "replace", path, after);
        }
    }

    private static void CompareMaps(JsonObject before, JsonObject after, string path, JsonArray operations)
    {
        foreach ((string name, JsonNode? _) in before)
        {
            if (!after.ContainsKey(name))
            {
                operations.Add((JsonNode)new JsonObject { ["op"] = "remove", ["path"] = $"{path}/{Step(name)}" });
            }
        }

        foreach ((string name, JsonNode? value) in after)
        {
            if (before.TryGetPropertyValue(name, out JsonNode? old))
            {
                Compare(old, value, $"{path}/{Step(name)}", operations);
            }
            else
            {
                Add(operations, "add", $"{path}/{Step(name)}", value);
            }
        }
    }

    // What is alike at both ends stays. Between the ends items are compared in place, or were all added, or are taken together as one new list:
    // that is enough to keep the patch of an injected pod short.
    private static void CompareLists(JsonArray before, JsonArray after, string path, JsonArray operations)
    {
        int most = Math.Min(before.Count, after.Count);
        int head = 0;
        while (head < most && JsonNode.DeepEquals(before[head], after[head]))
        {
            head++;
        }

        int tail = 0;
        while (tail < most - head && JsonNode.DeepEquals(before[^(tail + 1)], after[^(tail + 1)]))
        {
            tail++;
        }

        if (before.Count == after.Count)
        {
            for (int i = head; i < after.Count - tail; i++)
            {
                Compare(before[i], after[i], $"{path}/{Step(i)}", operations);
            }
        }
        else if (before.Count == head + tail)
        {
            for (int i = head; i < after.Count - tail; i++)
            {
                Add(operations, "add", $"{path}/{Step(i)}", after[i]);
            }
        }
        else
        {
            Add(operations, "replace", path, after);
        }
    }

    private static void Add(JsonArray operations, string op, string path, JsonNode? value) =>
        operations.Add((JsonNode)new JsonObject { ["op"] = op, ["path"] = path, ["value"] = value?.DeepClone() });

    private static string Step(string name) => name.Replace("~", "~0", StringComparison.Ordinal).Replace("/", "~1", StringComparison.Ordinal);

    private static string Step(int index) => index.ToString(CultureInfo.InvariantCulture);
}
