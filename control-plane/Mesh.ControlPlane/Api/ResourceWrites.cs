using System.Globalization;
using System.Text.Json.Nodes;
using Mesh.ControlPlane.Store;
using Mesh.Rules.Reading;
using Mesh.Rules.Validation;

namespace Mesh.ControlPlane.Api;

/// <summary>create, update, patch and delete. Each is one read-modify-write inside the store, so nothing is lost between two writers.</summary>
internal sealed class ResourceWrites(RuleStore store, TimeProvider time)
{
    private const string GeneratedLetters = "bcdfghjklmnpqrstvwxz2456789";

    public async Task CreateAsync(ApiRequest request)
    {
        (JsonObject obj, IReadOnlyList<Diagnostic> duplicates) = await request.ObjectAsync();
        Admission.Identify(request, obj);
        JsonObject metadata = (JsonObject)obj["metadata"]!;
        if ((string?)metadata["resourceVersion"] is { Length: > 0 })
        {
            throw new ApiError(500, "InternalError", "resourceVersion should not be set on objects to be created");
        }

        if (metadata["name"] is null && (string?)metadata["generateName"] is { } prefix)
        {
            metadata["name"] = prefix + string.Create(5, Guid.NewGuid().ToByteArray(), static (text, random) =>
            {
                for (int i = 0; i < text.Length; i++)
                {
                    text[i] = GeneratedLetters[random[i] % GeneratedLetters.Length];
                }
            });
        }

        RuleKey key = new(request.Kind.Kind, request.Namespace!, (string?)metadata["name"] ?? "");
        await WriteAsync(request, key, 201, before =>
        {
            if (before is not null)
            {
                throw ApiError.AlreadyExists(request.Kind, key.Name);
            }

            return Created(request, obj, duplicates);
        });
    }

    public async Task ReplaceAsync(ApiRequest request, bool isStatus)
    {
        (JsonObject obj, IReadOnlyList<Diagnostic> duplicates) = await request.ObjectAsync();
        Admission.Identify(request, obj);
        await WriteAsync(request, request.Key, 200, before =>
        {
            if (before is null)
            {
                throw ApiError.NotFound(request.Kind, request.Name!);
            }

            if ((string?)obj["metadata"]!["resourceVersion"] is not { Length: > 0 })
            {
                throw ApiError.Invalid(request.Kind, request.Name!, [("metadata.resourceVersion", "FieldValueInvalid", "Invalid value: 0x0: must be specified for an update")]);
            }

            Admission.CheckLock(request, before, obj["metadata"] as JsonObject);
            return isStatus ? WithStatus(before, obj["status"]) : Updated(request, before, obj, duplicates);
        });
    }

    public async Task PatchAsync(ApiRequest request, bool isStatus)
    {
        switch (request.ContentType)
        {
            case "application/apply-patch+yaml":
                await ApplyAsync(request, isStatus);
                break;
            case "application/merge-patch+json":
                (JsonObject merge, IReadOnlyList<Diagnostic> duplicates) = await request.ObjectAsync();
                await PatchWithAsync(request, isStatus, duplicates, merge["metadata"] as JsonObject, target => MergePatch.Merge(target, merge));
                break;
            case "application/json-patch+json":
                JsonArray operations = Operations(await request.BodyAsync());
                await PatchWithAsync(request, isStatus, [], null, target => MergePatch.Json(target, operations));
                break;
            default:
                throw ApiError.UnsupportedMediaType();
        }
    }

    public async Task DeleteAsync(ApiRequest request)
    {
        DeleteOptions options = await DeleteOptions.ReadAsync(request);
        StoredRule? kept = null;
        StoredRule Find(StoredRule? before)
        {
            StoredRule found = before ?? throw ApiError.NotFound(request.Kind, request.Name!);
            Admission.CheckLock(request, found, options.Preconditions);
            return found;
        }

        StoredRule gone = store.Change(request.Key, before =>
        {
            StoredRule found = Find(before);
            if (options.IsDryRun)
            {
                return (found.Object, found.Document);
            }

            kept = MarkedForDeletion(found);
            return kept is null ? (null, null) : (kept.Object, kept.Document);
        })!;
        await JsonReply.WriteAsync(request.Http, 200, kept is not null ? Shapes.InVersion(request, gone.Object) : Success(request, gone));
    }

    public async Task DeleteCollectionAsync(ApiRequest request)
    {
        DeleteOptions options = await DeleteOptions.ReadAsync(request);
        StoredRule[] all = ResourceReads.Sorted(store.Current, new Selector(request));
        if (!options.IsDryRun)
        {
            foreach (StoredRule rule in all)
            {
                store.Change(rule.Key, before => before is not null && MarkedForDeletion(before) is { } kept ? (kept.Object, kept.Document) : (null, null));
            }
        }

        await JsonReply.WriteAsync(request.Http, 200, new JsonObject
        {
            ["apiVersion"] = $"{request.Kind.Group}/{request.Version}",
            ["kind"] = request.Kind.Kind + "List",
            ["metadata"] = new JsonObject { ["resourceVersion"] = store.Current.Revision.ToString(CultureInfo.InvariantCulture) },
            ["items"] = new JsonArray([.. all.Select(r => (JsonNode)Shapes.InVersion(request, r.Object))]),
        });
    }

    // Server-side apply: one request, creates what is missing.
    private async Task ApplyAsync(ApiRequest request, bool isStatus)
    {
        string manager = request.Query("fieldManager") ?? throw ApiError.Invalid(
            request.Kind, request.Name!, [("fieldManager", "FieldValueRequired", "Required value: is required for apply patch")]);
        (JsonObject applied, IReadOnlyList<Diagnostic> duplicates) = await request.ObjectAsync();
        if (applied["metadata"]?["managedFields"] is not null)
        {
            throw ApiError.BadRequest("metadata.managedFields must be nil");
        }

        if ((string?)applied["apiVersion"] != $"{request.Kind.Group}/{request.Version}")
        {
            throw ApiError.BadRequest($"invalid object type: apiVersion must be {request.Kind.Group}/{request.Version}, as in the URL");
        }

        Admission.Identify(request, applied);
        bool isNew = false;
        await WriteAsync(request, request.Key, 200, before =>
        {
            if (before is not null)
            {
                Admission.CheckLock(request, before, applied["metadata"] as JsonObject);
            }

            if (isStatus)
            {
                return WithStatus(before ?? throw ApiError.NotFound(request.Kind, request.Name!), applied["status"]);
            }

            isNew = before is null;
            JsonObject live = before is null
                ? new JsonObject { ["apiVersion"] = applied["apiVersion"]!.DeepClone(), ["kind"] = request.Kind.Kind, ["metadata"] = new JsonObject { ["name"] = request.Name, ["namespace"] = request.Namespace } }
                : (JsonObject)before.Object.DeepClone();
            Admission.CheckFields(request, applied, duplicates); // by itself first: a misspelt field must not be merged away
            ManagedFields.ApplyConfiguration(
                live, applied, manager, $"{request.Kind.Group}/{request.Version}", request.Query("force") == "true", time.GetUtcNow());
            return isNew ? Created(request, live, [], tracks: false) : Updated(request, before!, live, [], tracks: false);
        }, () => isNew ? 201 : 200);
    }

    private async Task PatchWithAsync(ApiRequest request, bool isStatus, IReadOnlyList<Diagnostic> duplicates, JsonObject? patchMetadata, Action<JsonObject> patch) =>
        await WriteAsync(request, request.Key, 200, before =>
        {
            StoredRule found = before ?? throw ApiError.NotFound(request.Kind, request.Name!);
            Admission.CheckLock(request, found, patchMetadata);
            JsonObject target = (JsonObject)found.Object.DeepClone();
            patch(target);
            request.CheckShape(target);
            if (patchMetadata is null)
            {
                Admission.CheckLock(request, found, target["metadata"] as JsonObject); // a JSON patch may carry the lock
            }

            // A patch may be written in any served version; stored is one.
            target["apiVersion"] = found.Object["apiVersion"]!.DeepClone();
            Admission.Identify(request, target);
            return isStatus ? WithStatus(found, target["status"]) : Updated(request, found, target, duplicates);
        });

    private static JsonArray Operations(byte[] body) => RuleJson.FromJson([.. "{\"patch\":"u8, .. body, .. "}"u8]).Object?["patch"] as JsonArray
        ?? throw ApiError.BadRequest("the patch must be a JSON array of operations");

    private async Task WriteAsync(
        ApiRequest request, RuleKey key, int code, Func<StoredRule?, (JsonObject? Next, RuleDocument? Document)> change, Func<int>? codeAfter = null)
    {
        JsonObject? dry = null;
        JsonObject? last = null;
        StoredRule? stored = store.Change(key, before =>
        {
            (JsonObject? next, RuleDocument? document) = change(before);
            if (!request.IsDryRun)
            {
                // An object without a rule is one that goes with this write: it is answered, not stored.
                last = document is null ? next : null;
                return (document is null ? null : next, document);
            }

            dry = next;
            return (before?.Object, before?.Document);
        });
        await JsonReply.WriteAsync(request.Http, codeAfter?.Invoke() ?? code, Shapes.InVersion(request, dry ?? last ?? stored!.Object));
    }

    private (JsonObject?, RuleDocument?) Created(ApiRequest request, JsonObject obj, IReadOnlyList<Diagnostic> duplicates, bool tracks = true)
    {
        Admission.Create(obj, time.GetUtcNow());
        RuleDocument document = Admission.Admit(request, obj, duplicates, store.Current);
        if (tracks)
        {
            ManagedFields.TrackUpdate(null, obj, request.FieldManager, $"{request.Kind.Group}/{request.Version}", time.GetUtcNow());
        }

        return (obj, document);
    }

    private (JsonObject?, RuleDocument?) Updated(ApiRequest request, StoredRule before, JsonObject obj, IReadOnlyList<Diagnostic> duplicates, bool tracks = true)
    {
        Admission.Update(before, obj);
        RuleDocument document = Admission.Admit(request, obj, duplicates, store.Current);
        if (obj["metadata"]!["deletionTimestamp"] is not null && obj["metadata"]!["finalizers"] is not JsonArray { Count: > 0 })
        {
            return (obj, null); // the last finalizer has gone
        }

        bool ownFields = !JsonNode.DeepEquals(obj["metadata"]!["managedFields"], before.Object["metadata"]!["managedFields"]);
        if (tracks && !ownFields)
        {
            ManagedFields.TrackUpdate(before.Object, obj, request.FieldManager, $"{request.Kind.Group}/{request.Version}", time.GetUtcNow());
        }

        // Nothing changed: no new version, no event.
        return JsonNode.DeepEquals(obj, before.Object) ? (before.Object, before.Document) : (obj, document);
    }

    private static (JsonObject?, RuleDocument?) WithStatus(StoredRule before, JsonNode? status)
    {
        if (JsonNode.DeepEquals(before.Object["status"], status))
        {
            return (before.Object, before.Document);
        }

        JsonObject next = (JsonObject)before.Object.DeepClone();
        next.Remove("status");
        if (status is not null)
        {
            next["status"] = status.DeepClone();
        }

        return (next, before.Document);
    }

    private StoredRule? MarkedForDeletion(StoredRule rule)
    {
        if (rule.Object["metadata"]!["finalizers"] is not JsonArray { Count: > 0 })
        {
            return null;
        }

        if (rule.Object["metadata"]!["deletionTimestamp"] is not null)
        {
            return rule;
        }

        JsonObject next = (JsonObject)rule.Object.DeepClone();
        next["metadata"]!["deletionTimestamp"] = RuleStore.Timestamp(time.GetUtcNow());
        next["metadata"]!["deletionGracePeriodSeconds"] = 0;
        next["metadata"]!["generation"] = rule.Document.Generation + 1;
        return rule with { Object = next, Document = rule.Document with { Generation = rule.Document.Generation + 1 } };
    }

    private static JsonObject Success(ApiRequest request, StoredRule gone) => new()
    {
        ["kind"] = "Status",
        ["apiVersion"] = "v1",
        ["metadata"] = new JsonObject(),
        ["status"] = "Success",
        ["details"] = new JsonObject
        {
            ["name"] = gone.Key.Name,
            ["group"] = request.Kind.Group,
            ["kind"] = request.Kind.Plural,
            ["uid"] = gone.Object["metadata"]!["uid"]!.DeepClone(),
        },
    };
}
