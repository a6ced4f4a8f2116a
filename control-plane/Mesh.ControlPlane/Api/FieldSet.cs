using System.Text.Json.Nodes;

namespace Mesh.ControlPlane.Api;

/// <summary>
/// The leaf fields of an object that a manager owns, as in <c>managedFields</c>. Lists are atomic, as for a CRD without list types. A path is its keys joined by a
/// newline, which no key holds.
/// </summary>
internal sealed class FieldSet
{
    private const char Joint = '\n';
    private readonly SortedSet<string> _paths;

    private FieldSet(IEnumerable<string> paths) => _paths = new SortedSet<string>(paths, StringComparer.Ordinal);

    public static FieldSet Empty => new([]);

    public IReadOnlySet<string> Paths => _paths;

    public bool IsEmpty => _paths.Count == 0;

    /// <summary>The leaves of an object that can be owned: not its type, identity or what the server writes.</summary>
    public static FieldSet Of(JsonObject obj)
    {
        List<string> paths = [];
        foreach ((string name, JsonNode? value) in obj)
        {
            if (name == "metadata" && value is JsonObject metadata)
            {
                foreach (string owned in (string[])["labels", "annotations", "finalizers"])
                {
                    Collect(metadata[owned], "metadata" + Joint + owned, paths);
                }
            }
            else if (name is not ("apiVersion" or "kind" or "metadata" or "status"))
            {
                Collect(value, name, paths);
            }
        }

        return new FieldSet(paths);
    }

    /// <summary>Reads the <c>fieldsV1</c> form.</summary>
    public static FieldSet FromFieldsV1(JsonObject? fields)
    {
        List<string> paths = [];
        Walk(fields, "", paths);
        return new FieldSet(paths);

        static void Walk(JsonObject? at, string path, List<string> paths)
        {
            foreach ((string key, JsonNode? child) in at ?? [])
            {
                if (!key.StartsWith("f:", StringComparison.Ordinal))
                {
                    continue;
                }

                string own = path.Length == 0 ? key[2..] : path + Joint + key[2..];
                if (child is JsonObject { Count: > 0 } deeper && deeper.Any(static d => d.Key.StartsWith("f:", StringComparison.Ordinal)))
                {
                    Walk(deeper, own, paths);
                }
                else
                {
                    paths.Add(own);
                }
            }
        }
    }

    /// <summary>Writes the <c>fieldsV1</c> form.</summary>
    public JsonObject ToFieldsV1()
    {
        JsonObject root = [];
        foreach (string path in _paths)
        {
            JsonObject at = root;
            foreach (string step in path.Split(Joint))
            {
                string key = "f:" + step;
                if (at[key] is not JsonObject next)
                {
                    at[key] = next = [];
                }

                at = next;
            }
        }

        return root;
    }

    public FieldSet Union(IEnumerable<string> paths) => new(_paths.Union(paths));

    public FieldSet Except(IEnumerable<string> paths) => new(_paths.Except(paths));

    public bool Owns(string path) => _paths.Contains(path);

    /// <summary>Whether the path or something below it is owned: then it cannot be taken away for another's sake.</summary>
    public bool Reaches(string path) => Owns(path) || _paths.Any(p => p.StartsWith(path + Joint, StringComparison.Ordinal));

    /// <summary>The value at a path, or null.</summary>
    public static JsonNode? Get(JsonObject obj, string path)
    {
        JsonNode? at = obj;
        foreach (string step in path.Split(Joint))
        {
            at = (at as JsonObject)?[step];
        }

        return at;
    }

    /// <summary>Sets the value at a path, making the objects above it.</summary>
    public static void Set(JsonObject obj, string path, JsonNode? value)
    {
        string[] steps = path.Split(Joint);
        JsonObject at = obj;
        foreach (string step in steps[..^1])
        {
            if (at[step] is not JsonObject next)
            {
                at[step] = next = [];
            }

            at = next;
        }

        at[steps[^1]] = value?.DeepClone();
    }

    /// <summary>Removes the value at a path, and the objects above it that are empty then.</summary>
    public static void Remove(JsonObject obj, string path)
    {
        string[] steps = path.Split(Joint);
        List<JsonObject> chain = [obj];
        foreach (string step in steps[..^1])
        {
            if (chain[^1][step] is not JsonObject next)
            {
                return;
            }

            chain.Add(next);
        }

        for (int i = steps.Length - 1; i >= 0 && (i == steps.Length - 1 || chain[i + 1].Count == 0); i--)
        {
            chain[i].Remove(steps[i]);
        }
    }

    /// <summary>A path as messages show it: <c>.spec.host</c>.</summary>
    public static string Text(string path) => "." + path.Replace(Joint, '.');

    private static void Collect(JsonNode? node, string path, List<string> paths)
    {
        if (node is JsonObject { Count: > 0 } obj)
        {
            foreach ((string name, JsonNode? value) in obj)
            {
                Collect(value, path + Joint + name, paths);
            }
        }
        else if (node is not null)
        {
            paths.Add(path);
        }
    }
}
