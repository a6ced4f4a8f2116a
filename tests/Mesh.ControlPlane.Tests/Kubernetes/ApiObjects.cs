using System.Globalization;
using System.Text.Json.Nodes;
using System.Threading.Channels;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;

namespace Mesh.ControlPlane.Tests.Kubernetes;

/// <summary>
/// The objects of <see cref="ApiDouble"/>, with one counter of versions for all, as etcd has it; list by pages, watch from a version, optimistic locks. Thread-safe.
/// </summary>
internal sealed class ApiObjects
{
    private readonly Lock _gate = new();
    private readonly Dictionary<string, List<string>> _served = []; // plural.group → versions
    private readonly SortedDictionary<string, JsonObject> _objects = new(StringComparer.Ordinal); // plural.group/namespace/name
    private readonly List<(long Version, string Resource, string Type, JsonObject Object)> _history = [];
    private readonly List<Watcher> _watchers = [];
    private long _version = 100;
    private long _oldest = 100;

    /// <summary>Open watches of a resource.</summary>
    public int Watches(string plural)
    {
        lock (_gate)
        {
            return _watchers.Count(w => w.Resource.StartsWith(plural + ".", StringComparison.Ordinal));
        }
    }

    /// <summary>Serves a resource.</summary>
    public ApiObjects Serve(string group, string plural, params string[] versions)
    {
        lock (_gate)
        {
            _served[$"{plural}.{group}"] = [.. versions];
            return this;
        }
    }

    /// <summary>No longer serves a resource: its definition is deleted, and its objects with it.</summary>
    public void Withdraw(string group, string plural)
    {
        lock (_gate)
        {
            _served.Remove($"{plural}.{group}");
        }

        EndWatches(isCut: false);
    }

    /// <summary>Creates or replaces an object, as somebody else would.</summary>
    public JsonObject Put(string group, string plural, string yaml)
    {
        (JsonObject? obj, _) = Mesh.Rules.Reading.RuleJson.FromYaml(yaml);
        lock (_gate)
        {
            return PutLocked($"{plural}.{group}", obj!);
        }
    }

    public void Delete(string group, string plural, string name, string ns = "default")
    {
        lock (_gate)
        {
            string key = $"{plural}.{group}/{ns}/{name}";
            JsonObject last = (JsonObject)_objects[key].DeepClone();
            _objects.Remove(key);
            PublishLocked($"{plural}.{group}", "DELETED", last);
        }
    }

    public JsonObject? Get(string group, string plural, string name, string ns = "default")
    {
        lock (_gate)
        {
            return (JsonObject?)_objects.GetValueOrDefault($"{plural}.{group}/{ns}/{name}")?.DeepClone();
        }
    }

    /// <summary>Forgets all that happened: who watches from before must list again.</summary>
    public void Compact()
    {
        lock (_gate)
        {
            _history.Clear();
            _oldest = _version;
        }
    }

    /// <summary>Ends all watches: cleanly as after their time, or in the midst.</summary>
    public void EndWatches(bool isCut)
    {
        lock (_gate)
        {
            foreach (Watcher watcher in _watchers)
            {
                watcher.Lines.Writer.TryComplete(isCut ? new IOException("cut") : null);
            }

            _watchers.Clear();
        }
    }

    /// <summary>Sends a line to all watches of a resource.</summary>
    public void Send(string plural, string type, JsonObject obj)
    {
        lock (_gate)
        {
            foreach (Watcher watcher in _watchers.Where(w => w.Resource.StartsWith(plural + ".", StringComparison.Ordinal)))
            {
                watcher.Lines.Writer.TryWrite(Line(type, obj));
            }
        }
    }

    /// <summary>Sends a bookmark of now to all watches of a resource.</summary>
    public void Bookmark(string plural)
    {
        string version;
        lock (_gate)
        {
            version = Text(_version);
        }

        Send(plural, "BOOKMARK", new JsonObject { ["metadata"] = new JsonObject { ["resourceVersion"] = version } });
    }

    public async Task HandleAsync(HttpContext context)
    {
        string[] parts = context.Request.Path.Value!.Split('/', StringSplitOptions.RemoveEmptyEntries);
        (string group, string version, string[] rest) = parts switch
        {
            ["api", var v, .. var r] => ("", v, r),
            ["apis", var g] => (g, "", []),
            ["apis", var g, var v, .. var r] => (g, v, r),
            _ => ("", "", []),
        };
        if (rest.Length == 0)
        {
            await DiscoverAsync(context, group, version);
            return;
        }

        (string ns, string[] at) = rest is ["namespaces", var n, _, ..] ? (n, rest[2..]) : ("", rest);
        string resource = $"{at[0]}.{group}";
        if (!IsServed(resource, version))
        {
            context.Response.StatusCode = 404;
            await context.Response.WriteAsync("404 page not found", context.RequestAborted);
        }
        else if (at.Length == 1 && context.Request.Method == "GET")
        {
            await (context.Request.Query["watch"] == "true" ? WatchAsync(context, resource) : ListAsync(context, resource));
        }
        else
        {
            await WriteAsync(context, resource, ns, at);
        }
    }

    private static string Text(long version) => version.ToString(CultureInfo.InvariantCulture);

    private static string Line(string type, JsonObject obj) => new JsonObject { ["type"] = type, ["object"] = obj.DeepClone() }.ToJsonString() + "\n";

    private static string VersionOf(JsonNode obj) => (string)obj["metadata"]!["resourceVersion"]!;

    private bool IsServed(string resource, string version)
    {
        lock (_gate)
        {
            return _served.TryGetValue(resource, out List<string>? versions) && versions.Contains(version);
        }
    }

    private async Task DiscoverAsync(HttpContext context, string group, string version)
    {
        List<(string Plural, List<string> Versions)> own;
        lock (_gate)
        {
            own = [.. _served.Where(s => GroupOf(s.Key) == group).Select(static s => (s.Key[..s.Key.IndexOf('.', StringComparison.Ordinal)], s.Value))];
        }

        bool isGroup = version.Length == 0;
        own = isGroup ? own : [.. own.Where(o => o.Versions.Contains(version))];
        if (own.Count == 0 && group.Length > 0)
        {
            await ApiDouble.AnswerAsync(context, 404, ApiDouble.Status(404, "NotFound", "the server could not find the requested resource"));
            return;
        }

        IEnumerable<JsonNode> versions = own.SelectMany(static o => o.Versions).Distinct().Select(static v => new JsonObject { ["version"] = v });
        IEnumerable<JsonNode> resources = own.Select(static o => new JsonObject { ["name"] = o.Plural, ["verbs"] = new JsonArray("get", "list", "watch") });
        await ApiDouble.AnswerAsync(context, 200, isGroup
            ? new JsonObject { ["kind"] = "APIGroup", ["versions"] = new JsonArray([.. versions]) }
            : new JsonObject { ["kind"] = "APIResourceList", ["resources"] = new JsonArray([.. resources]) });
    }

    private static string GroupOf(string resource) => resource[(resource.IndexOf('.', StringComparison.Ordinal) + 1)..];

    private async Task ListAsync(HttpContext context, string resource)
    {
        int limit = int.TryParse(context.Request.Query["limit"], CultureInfo.InvariantCulture, out int asked) ? asked : int.MaxValue;
        string[] token = ((string?)context.Request.Query["continue"] ?? "").Split('.');
        JsonObject list;
        lock (_gate)
        {
            bool isNext = token.Length == 2;
            long version = isNext ? long.Parse(token[0], CultureInfo.InvariantCulture) : _version;
            int from = isNext ? int.Parse(token[1], CultureInfo.InvariantCulture) : 0;
            if (version < _oldest)
            {
                list = ApiDouble.Status(410, "Expired", "The provided continue parameter is too old");
            }
            else
            {
                JsonNode[] all = [.. _objects.Where(o => o.Key.StartsWith(resource + "/", StringComparison.Ordinal) && IsAskedFor(context, o.Value)).Select(static o => o.Value.DeepClone())];
                JsonObject metadata = new() { ["resourceVersion"] = Text(version) };
                if (all.Length - from > limit)
                {
                    metadata["continue"] = $"{version}.{from + limit}";
                }

                list = new JsonObject { ["kind"] = "List", ["metadata"] = metadata, ["items"] = all.Length == 0 ? null : new JsonArray([.. all.Skip(from).Take(limit)]) };
            }
        }

        await ApiDouble.AnswerAsync(context, (int?)list["code"] ?? 200, list);
    }

    private async Task WatchAsync(HttpContext context, string resource)
    {
        Watcher watcher = new(resource, obj => IsAskedFor(context, obj));
        long from = long.Parse((string)context.Request.Query["resourceVersion"]!, CultureInfo.InvariantCulture);
        lock (_gate)
        {
            if (from < _oldest)
            {
                watcher.Lines.Writer.TryWrite(Line("ERROR", ApiDouble.Status(410, "Expired", $"too old resource version: {from} ({_oldest})")));
                watcher.Lines.Writer.TryComplete();
            }
            else
            {
                foreach (var (version, _, type, obj) in _history.Where(h => h.Resource == resource && h.Version > from && watcher.Wants(h.Object)))
                {
                    watcher.Lines.Writer.TryWrite(Line(type, obj));
                }

                _watchers.Add(watcher);
            }
        }

        context.Response.ContentType = "application/json";
        context.Features.Get<IHttpResponseBodyFeature>()!.DisableBuffering();
        await context.Response.Body.FlushAsync(context.RequestAborted);
        try
        {
            await foreach (string line in watcher.Lines.Reader.ReadAllAsync(context.RequestAborted))
            {
                await context.Response.WriteAsync(line, context.RequestAborted);
                await context.Response.Body.FlushAsync(context.RequestAborted);
            }
        }
        catch (IOException)
        {
            context.Abort();
        }
        catch (OperationCanceledException)
        {
            // The client went away.
        }
        finally
        {
            lock (_gate)
            {
                _watchers.Remove(watcher);
            }
        }
    }

    private async Task WriteAsync(HttpContext context, string resource, string ns, string[] at)
    {
        JsonObject? body = context.Request.Method == "GET" ? null : (JsonObject?)await JsonNode.ParseAsync(context.Request.Body, cancellationToken: context.RequestAborted);
        int code = 200;
        JsonObject answer;
        lock (_gate)
        {
            string name = at.Length > 1 ? at[1] : (string)body!["metadata"]!["name"]!;
            JsonObject? before = _objects.GetValueOrDefault($"{resource}/{ns}/{name}");
            answer = (context.Request.Method, before) switch
            {
                ("POST", null) => PutLocked(resource, body!),
                ("POST", _) => ApiDouble.Status(409, "AlreadyExists", $"{resource} \"{name}\" already exists"),
                (_, null) => ApiDouble.Status(404, "NotFound", $"{resource} \"{name}\" not found"),
                ("GET", _) => (JsonObject)before.DeepClone(),
                (_, _) when body!["metadata"]?["resourceVersion"] is { } stale && (string)stale! != VersionOf(before) =>
                    ApiDouble.Status(409, "Conflict", "the object has been modified"),
                ("PUT", _) => PutLocked(resource, body!),
                _ => PatchLocked(resource, before, body!, isStatus: at.Length > 2),
            };
            code = context.Request.Method == "POST" && before is null ? 201 : (int?)answer["code"] ?? 200;
        }

        await ApiDouble.AnswerAsync(context, code, answer);
    }

    private JsonObject PatchLocked(string resource, JsonObject before, JsonObject patch, bool isStatus)
    {
        JsonObject next = (JsonObject)before.DeepClone();
        JsonObject part = isStatus ? new JsonObject { ["status"] = patch["status"]?.DeepClone() } : patch;
        Merge(next, part);
        return PutLocked(resource, next);
    }

    private static void Merge(JsonObject target, JsonObject patch)
    {
        foreach ((string name, JsonNode? value) in patch)
        {
            if (value is null)
            {
                target.Remove(name);
            }
            else if (value is JsonObject inner && target[name] is JsonObject found)
            {
                Merge(found, inner);
            }
            else
            {
                target[name] = value.DeepClone();
            }
        }
    }

    private JsonObject PutLocked(string resource, JsonObject obj)
    {
        JsonObject metadata = (JsonObject)obj["metadata"]!;
        string ns = (string?)metadata["namespace"] ?? "";
        string key = $"{resource}/{ns}/{(string)metadata["name"]!}";
        JsonObject? before = _objects.GetValueOrDefault(key);
        metadata["uid"] = before?["metadata"]!["uid"]!.DeepClone() ?? Guid.NewGuid().ToString();
        metadata["creationTimestamp"] ??= "2030-01-01T00:00:00Z";
        long generation = (long?)before?["metadata"]!["generation"] ?? 0;
        metadata["generation"] = before is not null && JsonNode.DeepEquals(before["spec"], obj["spec"]) ? generation : generation + 1;
        metadata["resourceVersion"] = before is null ? "" : VersionOf(before);
        if (before is not null && JsonNode.DeepEquals(before, obj))
        {
            return (JsonObject)before.DeepClone(); // no change, no version
        }

        JsonObject stored = (JsonObject)obj.DeepClone();
        _objects[key] = stored;
        PublishLocked(resource, before is null ? "ADDED" : "MODIFIED", stored);
        return (JsonObject)stored.DeepClone();
    }

    private void PublishLocked(string resource, string type, JsonObject obj)
    {
        obj["metadata"]!["resourceVersion"] = Text(++_version);
        _history.Add((_version, resource, type, (JsonObject)obj.DeepClone()));
        foreach (Watcher watcher in _watchers.Where(w => w.Resource == resource && w.Wants(obj)))
        {
            watcher.Lines.Writer.TryWrite(Line(type, obj));
        }
    }

    /// <summary>Whether an object is the one that a field selector names, if there is one.</summary>
    private static bool IsAskedFor(HttpContext context, JsonObject obj) =>
        (string?)context.Request.Query["fieldSelector"] is not { } selector || selector == $"metadata.name={(string?)obj["metadata"]!["name"]}";

    private sealed record Watcher(string Resource, Func<JsonObject, bool> Wants)
    {
        public Channel<string> Lines { get; } = Channel.CreateUnbounded<string>();
    }
}
