using System.Text.Json.Nodes;
using Mesh.ControlPlane.Store;

namespace Mesh.ControlPlane.Api;

/// <summary>Who owns which field: the entries of <c>metadata.managedFields</c>, and server-side apply on top of them.</summary>
internal static class ManagedFields
{
    private const string Apply = "Apply";

    /// <summary>
    /// Merges an applied configuration into <paramref name="live"/> (changed in place; an empty object when the rule is new): fields of others with other values are
    /// conflicts unless forced, fields that this manager applied before and now leaves out go, if nobody else owns them.
    /// </summary>
    public static void ApplyConfiguration(JsonObject live, JsonObject applied, string manager, string apiVersion, bool force, DateTimeOffset now)
    {
        List<Entry> entries = Read(live);
        FieldSet wanted = FieldSet.Of(applied);
        Entry? mine = entries.Find(e => e.Manager == manager && e.Operation == Apply && e.Subresource is null);
        List<Entry> others = [.. entries.Where(e => e != mine && e.Subresource is null)];
        (string Manager, string Path)[] conflicts =
        [
            .. from path in wanted.Paths
               where !IsMet(live, applied, path)
               from other in others
               where other.Fields.Owns(path)
               select (other.Manager, path),
        ];
        if (conflicts.Length > 0 && !force)
        {
            throw ConflictError(conflicts);
        }

        foreach (Entry other in others)
        {
            other.Fields = other.Fields.Except(conflicts.Where(c => c.Manager == other.Manager).Select(static c => c.Path));
        }

        foreach (string gone in (mine?.Fields ?? FieldSet.Empty).Paths.Where(p => !wanted.Reaches(p) && !others.Exists(o => o.Fields.Reaches(p))))
        {
            FieldSet.Remove(live, gone);
        }

        foreach (string path in wanted.Paths.Where(p => !IsMet(live, applied, p)))
        {
            FieldSet.Set(live, path, FieldSet.Get(applied, path));
        }

        if (mine is null)
        {
            entries.Add(mine = new Entry(manager, Apply, apiVersion, null));
        }

        mine.Touch(wanted, apiVersion, now);
        Write(live, entries);
    }

    /// <summary>Notes what an update changed: the changed leaves are this manager's now, deleted ones nobody's.</summary>
    public static void TrackUpdate(JsonObject? before, JsonObject after, string manager, string apiVersion, DateTimeOffset now)
    {
        JsonObject old = before ?? [];
        FieldSet had = FieldSet.Of(old);
        FieldSet has = FieldSet.Of(after);
        string[] gone = [.. had.Paths.Except(has.Paths)];
        string[] changed = [.. has.Paths.Where(p => !JsonNode.DeepEquals(FieldSet.Get(old, p), FieldSet.Get(after, p)))];
        if (gone.Length == 0 && changed.Length == 0)
        {
            return;
        }

        List<Entry> entries = Read(after);
        Entry? mine = entries.Find(e => e.Manager == manager && e.Operation == "Update" && e.Subresource is null);
        if (mine is null)
        {
            entries.Add(mine = new Entry(manager, "Update", apiVersion, null));
        }

        foreach (Entry entry in entries.Where(static e => e.Subresource is null))
        {
            entry.Fields = entry.Fields.Except(entry == mine ? gone : [.. gone, .. changed]);
        }

        mine.Touch(mine.Fields.Union(changed), apiVersion, now);
        Write(after, entries);
    }

    // An applied {} asks for an object, not for an empty one: what others keep inside stays.
    private static bool IsMet(JsonObject live, JsonObject applied, string path)
    {
        (JsonNode? has, JsonNode? wants) = (FieldSet.Get(live, path), FieldSet.Get(applied, path));
        return JsonNode.DeepEquals(has, wants) || (has is JsonObject && wants is JsonObject { Count: 0 });
    }

    private static ApiError ConflictError((string Manager, string Path)[] conflicts)
    {
        JsonArray causes = [.. conflicts.Select(static c => (JsonNode)new JsonObject
        {
            ["reason"] = "FieldManagerConflict",
            ["message"] = $"conflict with \"{c.Manager}\"",
            ["field"] = FieldSet.Text(c.Path),
        })];
        string text = conflicts.Length == 1
            ? $"Apply failed with 1 conflict: conflict with \"{conflicts[0].Manager}\": {FieldSet.Text(conflicts[0].Path)}"
            : $"Apply failed with {conflicts.Length} conflicts: " + string.Join('\n', conflicts.GroupBy(static c => c.Manager)
                .Select(static g => $"conflicts with \"{g.Key}\":\n" + string.Join('\n', g.Select(static c => "- " + FieldSet.Text(c.Path)))));
        return new ApiError(409, "Conflict", text, new JsonObject { ["causes"] = causes });
    }

    private static List<Entry> Read(JsonObject obj)
    {
        List<Entry> entries = [];
        foreach (JsonNode? node in obj["metadata"]?["managedFields"] as JsonArray ?? [])
        {
            if (node is JsonObject entry)
            {
                entries.Add(new Entry((string?)entry["manager"] ?? "", (string?)entry["operation"] ?? "Update", (string?)entry["apiVersion"] ?? "", (string?)entry["subresource"])
                {
                    Fields = FieldSet.FromFieldsV1(entry["fieldsV1"] as JsonObject),
                    Time = (string?)entry["time"] ?? "",
                });
            }
        }

        return entries;
    }

    private static void Write(JsonObject obj, List<Entry> entries)
    {
        JsonArray list = [];
        foreach (Entry entry in entries.Where(static e => !e.Fields.IsEmpty))
        {
            JsonObject node = new()
            {
                ["apiVersion"] = entry.ApiVersion,
                ["fieldsType"] = "FieldsV1",
                ["fieldsV1"] = entry.Fields.ToFieldsV1(),
                ["manager"] = entry.Manager,
                ["operation"] = entry.Operation,
                ["time"] = entry.TouchedTime,
            };
            if (entry.Subresource is not null)
            {
                node["subresource"] = entry.Subresource;
            }

            list.Add((JsonNode)node);
        }

        obj["metadata"]!["managedFields"] = list;
    }

    private sealed class Entry(string manager, string operation, string apiVersion, string? subresource)
    {
        public string Manager { get; } = manager;

        public string Operation { get; } = operation;

        public string ApiVersion { get; private set; } = apiVersion;

        public string? Subresource { get; } = subresource;

        public FieldSet Fields { get; set; } = FieldSet.Empty;

        public string Time { get; init; } = "";

        private string? _touched;

        public void Touch(FieldSet fields, string apiVersion, DateTimeOffset now)
        {
            bool isSame = fields.Paths.SetEquals(Fields.Paths) && Time.Length > 0 && apiVersion == ApiVersion;
            (Fields, ApiVersion) = (fields, apiVersion);
            _touched = isSame ? Time : RuleStore.Timestamp(now);
        }

        public string TouchedTime => _touched ?? Time;
    }
}
