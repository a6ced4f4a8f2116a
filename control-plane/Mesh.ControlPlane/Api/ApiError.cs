using System.Globalization;
using System.Text.Json.Nodes;
using Mesh.Rules.Kinds;
using Mesh.Rules.Validation;

namespace Mesh.ControlPlane.Api;

/// <summary>A refusal in Kubernetes' form: HTTP code and Status object. Thrown by handlers and written by <see cref="KubernetesApi"/>, never let out of the Api folder.</summary>
internal sealed class ApiError(int code, string reason, string message, JsonObject? details = null) : Exception(message)
{
    /// <summary>HTTP status.</summary>
    public int Code { get; } = code;

    /// <summary>The Status object.</summary>
    public JsonObject ToStatus()
    {
        JsonObject status = new()
        {
            ["kind"] = "Status",
            ["apiVersion"] = "v1",
            ["metadata"] = new JsonObject(),
            ["status"] = "Failure",
            ["message"] = Message,
            ["reason"] = reason,
        };
        if (details is not null)
        {
            status["details"] = details.DeepClone();
        }

        status["code"] = Code;
        return status;
    }

    public static ApiError BadRequest(string message) => new(400, "BadRequest", message);

    public static ApiError NotFound(RuleKind kind, string name) =>
        new(404, "NotFound", $"{kind.Plural}.{kind.Group} \"{name}\" not found", Details(kind, name, kind.Plural));

    public static ApiError AlreadyExists(RuleKind kind, string name) =>
        new(409, "AlreadyExists", $"{kind.Plural}.{kind.Group} \"{name}\" already exists", Details(kind, name, kind.Plural));

    public static ApiError Conflict(RuleKind kind, string name, string? why = null) => new(
        409, "Conflict",
        $"Operation cannot be fulfilled on {kind.Plural}.{kind.Group} \"{name}\": " +
        (why ?? "the object has been modified; please apply your changes to the latest version and try again"),
        Details(kind, name, kind.Plural));

    public static ApiError Expired(string message) => new(410, "Expired", message);

    public static ApiError UnsupportedMediaType() => new(
        415, "UnsupportedMediaType",
        "the body of the request was in an unknown format - accepted media types include: application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml");

    public static ApiError MethodNotAllowed() =>
        new(405, "MethodNotAllowed", "the server does not allow this method on the requested resource");

    /// <summary>422 with one cause for each finding.</summary>
    public static ApiError Invalid(RuleKind kind, string name, IReadOnlyCollection<(string Field, string Reason, string Message)> causes)
    {
        JsonArray list = [.. causes.Select(static c => (JsonNode)new JsonObject { ["reason"] = c.Reason, ["message"] = c.Message, ["field"] = c.Field })];
        JsonObject details = Details(kind, name, kind.Kind);
        details["causes"] = list;
        string text = string.Join(", ", causes.Select(static c => $"{c.Field}: {c.Message}"));
        return new ApiError(
            422, "Invalid", string.Create(CultureInfo.InvariantCulture, $"{kind.Kind}.{kind.Group} \"{name}\" is invalid: {(causes.Count == 1 ? text : $"[{text}]")}"), details);
    }

    /// <summary>422 for findings of the rule library.</summary>
    public static ApiError Invalid(RuleKind kind, string name, IEnumerable<Diagnostic> findings) => Invalid(kind, name, [.. findings.Select(static f => (f.Path, f.Code switch
    {
        DiagnosticCode.TypeInvalid => "FieldValueTypeInvalid",
        DiagnosticCode.Required => "FieldValueRequired",
        DiagnosticCode.NotSupported => "FieldValueNotSupported",
        _ => "FieldValueInvalid",
    }, f.Code switch
    {
        DiagnosticCode.Required => "Required value: " + f.Message,
        DiagnosticCode.NotSupported => "Unsupported value: " + f.Message,
        _ => "Invalid value: " + f.Message,
    }))]);

    private static JsonObject Details(RuleKind kind, string name, string kindText) => new() { ["name"] = name, ["group"] = kind.Group, ["kind"] = kindText };
}
