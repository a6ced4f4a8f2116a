using System.Globalization;
using System.Text.Json.Nodes;

namespace Mesh.ControlPlane.Api;

/// <summary>JSON merge patch (RFC 7386) and JSON patch (RFC 6902). Both change the given copy in place.</summary>
internal static class MergePatch
{
    /// <summary>Merges: null removes, objects merge, everything else replaces.</summary>
    public static void Merge(JsonObject target, JsonObject patch)
    {
        foreach ((string name, JsonNode? value) in patch)
        {
            if (value is null)
            {
                target.Remove(name);
            }
            else if (value is JsonObject inner)
            {
                if (target[name] is not JsonObject child)
                {
                    target[name] = child = [];
                }

                Merge(child, inner);
            }
            else
            {
                target[name] = value.DeepClone();
            }
        }
    }

    /// <summary>Applies the operations add, remove, replace, test, copy and move; a failed test or path is a 422.</summary>
    public static JsonObject Json(JsonObject target, JsonArray operations)
    {
        foreach (JsonNode? node in operations)
        {
            string? op = (string?)node?["op"];
            string path = (string?)node?["path"] ?? "";
            switch (op)
            {
                case "test":
                    if (!JsonNode.DeepEquals(Get(target, path), node!["value"]))
                    {
                        throw Failed($"testing path {path} value failed");
                    }

                    break;
                case "remove":
                    Remove(target, path);
                    break;
                case "add" or "replace":
                    Set(target, path, node!["value"]?.DeepClone(), isAdd: op == "add");
                    break;
                case "copy" or "move":
                    JsonNode? value = Get(target, (string?)node!["from"] ?? "")?.DeepClone();
                    if (op == "move")
                    {
                        Remove(target, (string?)node["from"] ?? "");
                    }

                    Set(target, path, value, isAdd: true);
                    break;
                default:
                    throw ApiError.BadRequest($"error decoding patch: operation '{op}' is unknown; write add, remove, replace, test, copy or move");
            }
        }

        return target;
    }

    private static ApiError Failed(string why) => new(422, "Invalid", "the server rejected our request due to an error in our request: " + why);

    private static JsonNode? Get(JsonNode? at, string path)
    {
        foreach (string step in Steps(path))
        {
            at = at switch
            {
                JsonObject obj => obj[step],
                JsonArray list when int.TryParse(step, CultureInfo.InvariantCulture, out int index) && index >= 0 && index < list.Count => list[index],
                _ => throw Failed($"path {path} does not exist"),
            };
        }

        return at;
    }

    private static void Remove(JsonNode target, string path)
    {
        (JsonNode? parent, string last) = Parent(target, path);
        bool removed = parent switch
        {
            JsonObject obj => obj.Remove(last),
            JsonArray list when int.TryParse(last, CultureInfo.InvariantCulture, out int index) && index >= 0 && index < list.Count => RemoveAt(list, index),
            _ => false,
        };
        if (!removed)
        {
            throw Failed($"Unable to remove nonexistent key: {last}: missing value");
        }
    }

    private static bool RemoveAt(JsonArray list, int index)
    {
        list.RemoveAt(index);
        return true;
    }

    private static void Set(JsonNode target, string path, JsonNode? value, bool isAdd)
    {
        (JsonNode? parent, string last) = Parent(target, path);
        if (parent is JsonObject obj && (isAdd || obj.ContainsKey(last)))
        {
            obj[last] = value;
        }
        else if (parent is JsonArray list)
        {
            int index = last == "-" ? list.Count : int.TryParse(last, CultureInfo.InvariantCulture, out int given) ? given : -1;
            if (index < 0 || index > list.Count || (!isAdd && index == list.Count))
            {
                throw Failed($"path {path} does not exist");
            }

            if (isAdd)
            {
                list.Insert(index, value);
            }
            else
            {
                list[index] = value;
            }
        }
        else
        {
            throw Failed($"path {path} does not exist");
        }
    }

    private static (JsonNode? Parent, string Last) Parent(JsonNode target, string path)
    {
        string[] steps = Steps(path);
        return steps.Length == 0
            ? throw Failed("the whole object cannot be replaced by a patch")
            : (Get(target, path[..path.LastIndexOf('/')]), steps[^1]);
    }

    private static string[] Steps(string path) => path.Length == 0 ? [] :
        [.. path[1..].Split('/').Select(static s => s.Replace("~1", "/", StringComparison.Ordinal).Replace("~0", "~", StringComparison.Ordinal))];
}
