using System.Globalization;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Mesh.ControlPlane.Store;
using Mesh.Rules.Kinds;
using Mesh.Rules.Reading;
using Mesh.Rules.Validation;

namespace Mesh.ControlPlane.Api;

/// <summary>What every written object passes: identity, unknown fields, the rule library's checks, and the warnings that go back to the user.</summary>
internal static partial class Admission
{
    /// <summary>
    /// Checks <paramref name="obj"/> (which it brings into stored form) and binds it. Refusals are thrown; warnings are added to the response.
    /// </summary>
    /// <param name="request">The request.</param>
    /// <param name="obj">The whole object as it would be stored; owned by the caller, changed here.</param>
    /// <param name="duplicates">Duplicate fields of the body.</param>
    /// <param name="all">All rules, for checks across objects.</param>
    public static RuleDocument Admit(ApiRequest request, JsonObject obj, IReadOnlyList<Diagnostic> duplicates, RuleStoreState all)
    {
        RuleKind kind = request.Kind;
        string name = (string?)obj["metadata"]?["name"] ?? "";
        if (name.Length is 0 or > 253 || !SubdomainName().IsMatch(name))
        {
            throw ApiError.Invalid(kind, name, [("metadata.name", "FieldValueInvalid",
                $"Invalid value: \"{name}\": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')")]);
        }

        obj["apiVersion"] = $"{kind.Group}/{kind.StorageVersion}";
        CheckFields(request, obj, duplicates);
        RuleReview review = RuleReview.Of(obj, all);
        if (review.Document is null)
        {
            throw ApiError.Invalid(kind, name, review.Errors);
        }

        foreach (string warning in review.Warnings)
        {
            JsonReply.Warn(request.Http, warning);
        }

        return review.Document;
    }

    /// <summary>Unknown and doubled fields: refused, or dropped with a warning, as the request wants it.</summary>
    public static void CheckFields(ApiRequest request, JsonObject obj, IReadOnlyList<Diagnostic> duplicates)
    {
        Diagnostic[] strict =
        [
            .. duplicates,
            .. RuleReader.ReadJson(obj, "the control plane").Diagnostics.Where(static d => d.Code is DiagnosticCode.UnknownField or DiagnosticCode.DuplicateField),
        ];
        if (strict.Length == 0)
        {
            return;
        }

        if (request.Validation == FieldValidation.Strict)
        {
            throw ApiError.BadRequest(
                $"{request.Kind.Kind} in version \"{request.Version}\" cannot be handled as a {request.Kind.Kind}: strict decoding error: {string.Join(", ", strict.Select(Words))}");
        }

        foreach (Diagnostic field in strict)
        {
            JsonReply.Warn(request.Http, Words(field));
        }

        PruneMetadata(obj);
        RuleJson.PruneUnknownFields(obj, request.Kind);
    }

    /// <summary>Fields of metadata that a client may set.</summary>
    private static readonly string[] MetadataFields =
    [
        "name", "namespace", "labels", "annotations", "finalizers", "generateName", "ownerReferences", "uid", "resourceVersion", "generation",
        "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "managedFields", "selfLink",
    ];

    /// <summary>Checks that the body is about the resource of the URL and completes its identity.</summary>
    public static void Identify(ApiRequest request, JsonObject obj)
    {
        if ((string?)obj["kind"] is { } kind && kind != request.Kind.Kind)
        {
            throw ApiError.BadRequest($"the object provided is unrecognized (must be of type {request.Kind.Kind}): it says kind: {kind}");
        }

        string? version = (string?)obj["apiVersion"];
        if (version is null || !request.Kind.Versions.Any(v => version == $"{request.Kind.Group}/{v}"))
        {
            throw ApiError.BadRequest($"the API version in the data ({version}) does not match the expected API version ({request.Kind.Group}/{request.Version})");
        }

        obj["kind"] = request.Kind.Kind;
        JsonObject metadata = obj["metadata"] as JsonObject ?? [];
        obj["metadata"] = metadata.Parent is null ? metadata : obj["metadata"];
        if ((string?)metadata["namespace"] is { Length: > 0 } ns && ns != request.Namespace)
        {
            throw ApiError.BadRequest($"the namespace of the provided object does not match the namespace sent on the request ({ns} and {request.Namespace})");
        }

        if (request.Name is { } name && (string?)metadata["name"] is { Length: > 0 } given && given != name)
        {
            throw ApiError.BadRequest($"the name of the object ({given}) does not match the name on the URL ({name})");
        }

        metadata["namespace"] = request.Namespace;
        if (request.Name is { } urlName)
        {
            metadata["name"] = urlName;
        }
    }

    /// <summary>Gives a new object its uid, times and generation.</summary>
    public static void Create(JsonObject obj, DateTimeOffset now)
    {
        JsonObject metadata = (JsonObject)obj["metadata"]!;
        metadata["uid"] = Guid.NewGuid().ToString();
        metadata["creationTimestamp"] = RuleStore.Timestamp(now);
        metadata["generation"] = 1;
        metadata.Remove("resourceVersion");
        metadata.Remove("deletionTimestamp");
        obj.Remove("status");
    }

    /// <summary>Keeps what a client cannot change, and counts the generation.</summary>
    public static void Update(StoredRule before, JsonObject obj)
    {
        JsonObject metadata = (JsonObject)obj["metadata"]!;
        JsonObject old = (JsonObject)before.Object["metadata"]!;
        foreach (string field in (string[])["uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "resourceVersion"])
        {
            metadata.Remove(field);
            if (old[field] is { } value)
            {
                metadata[field] = value.DeepClone();
            }
        }

        // Who leaves the owners out keeps them; an empty list forgets them.
        if (metadata["managedFields"] is null && old["managedFields"] is { } owners)
        {
            metadata["managedFields"] = owners.DeepClone();
        }

        CheckFinalizers(before, metadata);
        obj.Remove("status");
        if (before.Object["status"] is { } status)
        {
            obj["status"] = status.DeepClone();
        }

        metadata["generation"] = JsonNode.DeepEquals(obj["spec"], before.Object["spec"])
            ? before.Document.Generation : before.Document.Generation + 1;
    }

    /// <summary>409 when the body's uid or resourceVersion is not the object's.</summary>
    public static void CheckLock(ApiRequest request, StoredRule before, JsonObject? metadata)
    {
        string name = before.Key.Name;
        if ((string?)metadata?["uid"] is { Length: > 0 } uid && uid != (string?)before.Object["metadata"]!["uid"])
        {
            throw ApiError.Conflict(request.Kind, name, $"Precondition failed: UID in precondition: {uid}, UID in object meta: {before.Object["metadata"]!["uid"]}");
        }

        if ((string?)metadata?["resourceVersion"] is { Length: > 0 } version && version != before.ResourceVersion.ToString(CultureInfo.InvariantCulture))
        {
            throw ApiError.Conflict(request.Kind, name);
        }
    }

    private static void CheckFinalizers(StoredRule before, JsonObject metadata)
    {
        JsonNode old = before.Object["metadata"]!;
        string[] added = [.. Names(metadata["finalizers"]).Except(Names(old["finalizers"]))];
        if (old["deletionTimestamp"] is not null && added.Length > 0)
        {
            string list = string.Join(", ", added.Select(static f => $"\"{f}\""));
            throw ApiError.Invalid(before.Document.RuleKind, before.Key.Name, [("metadata.finalizers", "FieldValueForbidden",
                $"Forbidden: no new finalizers can be added if the object is being deleted, found new finalizers []string{{{list}}}")]);
        }

        static IEnumerable<string> Names(JsonNode? list) => (list as JsonArray ?? []).Select(static f => (string)f!);
    }

    private static void PruneMetadata(JsonObject obj)
    {
        if (obj["metadata"] is JsonObject metadata)
        {
            foreach (string field in metadata.Select(static f => f.Key).Where(static f => !MetadataFields.Contains(f)).ToArray())
            {
                metadata.Remove(field);
            }
        }
    }

    // As Kubernetes: unknown field "spec.bogus"; and then what it could have meant.
    private static string Words(Diagnostic finding)
    {
        string what = finding.Code == DiagnosticCode.DuplicateField ? "duplicate" : "unknown";
        int hint = finding.Message.IndexOf("did you mean", StringComparison.Ordinal);
        return $"{what} field \"{finding.Path}\"{(hint >= 0 ? "; " + finding.Message[hint..] : "")}";
    }

    [GeneratedRegex(@"\A[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*\z")]
    private static partial Regex SubdomainName();
}
