using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Mesh.ControlPlane.Admission;

/// <summary>What an API server asks a webhook: <c>AdmissionReview</c> of <c>admission.k8s.io/v1</c>.</summary>
/// <param name="Uid">Goes back in the answer.</param>
/// <param name="Operation"><c>CREATE</c>, <c>UPDATE</c>, <c>DELETE</c> or <c>CONNECT</c>.</param>
/// <param name="Group">API group of the resource.</param>
/// <param name="Resource">Resource, <c>pods</c>.</param>
/// <param name="SubResource">Subresource, <c>status</c>; empty when it is about the object itself.</param>
/// <param name="Namespace">Namespace; empty for what has none.</param>
/// <param name="Object">The object; null with DELETE.</param>
/// <param name="OldObject">The object as it was; null with CREATE.</param>
internal sealed record AdmissionRequest(
    string Uid, string Operation, string Group, string Resource, string SubResource, string Namespace, JsonObject? Object, JsonObject? OldObject)
{
    /// <summary>Reads a review; null with what is wrong when the text is none.</summary>
    public static (AdmissionRequest? Request, string? Problem) Read(ReadOnlySpan<byte> utf8)
    {
        JsonObject? review;
        try
        {
            review = JsonNode.Parse(utf8, documentOptions: new JsonDocumentOptions { AllowDuplicateProperties = false }) as JsonObject;
        }
        catch (JsonException error)
        {
            return (null, $"the body is no JSON: {error.Message}");
        }

        if (Text(review, "apiVersion") != "admission.k8s.io/v1" || Text(review, "kind") != "AdmissionReview")
        {
            return (null, "the body is no AdmissionReview of admission.k8s.io/v1; write admissionReviewVersions: [v1] in the webhook's configuration");
        }

        JsonObject? request = review!["request"] as JsonObject;
        JsonObject? resource = request?["resource"] as JsonObject;
        return Text(request, "uid") is { Length: > 0 } uid && resource is not null
            ? (new AdmissionRequest(
                uid, Text(request, "operation"), Text(resource, "group"), Text(resource, "resource"), Text(request, "subResource"), Text(request, "namespace"),
                request!["object"] as JsonObject, request["oldObject"] as JsonObject), null)
            : (null, "the review has no request with uid and resource");
    }

    private static string Text(JsonObject? map, string name) =>
        map?[name] is JsonValue value && value.GetValueKind() == JsonValueKind.String ? value.GetValue<string>() : "";
}

/// <summary>A webhook's answer.</summary>
/// <param name="IsAllowed">Whether the request goes on.</param>
internal sealed record AdmissionAnswer(bool IsAllowed)
{
    /// <summary>It goes on as it is.</summary>
    public static AdmissionAnswer Allowed { get; } = new(true);

    /// <summary>HTTP code of a refusal.</summary>
    public int Code { get; init; }

    /// <summary>Kubernetes' reason of a refusal.</summary>
    public string Reason { get; init; } = "";

    /// <summary>What the user reads when it is refused.</summary>
    public string Message { get; init; } = "";

    /// <summary>JSON Patch; null when nothing changes.</summary>
    public JsonArray? Patch { get; init; }

    /// <summary>Lines that kubectl prints.</summary>
    public IReadOnlyList<string> Warnings { get; init; } = [];

    /// <summary>Refuses.</summary>
    public static AdmissionAnswer Refused(int code, string reason, string message) => new(false) { Code = code, Reason = reason, Message = message };

    /// <summary>The review that goes back.</summary>
    public JsonObject ToReview(string uid)
    {
        JsonObject response = new() { ["uid"] = uid, ["allowed"] = IsAllowed };
        if (!IsAllowed)
        {
            response["status"] = new JsonObject { ["status"] = "Failure", ["code"] = Code, ["reason"] = Reason, ["message"] = Message };
        }

        if (Patch is { Count: > 0 })
        {
            response["patchType"] = "JSONPatch";
            response["patch"] = Convert.ToBase64String(Encoding.UTF8.GetBytes(Patch.ToJsonString()));
        }

        if (Warnings.Count > 0)
        {
            response["warnings"] = new JsonArray([.. Warnings.Select(static w => (JsonNode?)w)]);
        }

        return new JsonObject { ["apiVersion"] = "admission.k8s.io/v1", ["kind"] = "AdmissionReview", ["response"] = response };
    }
}
