using System.Text;
using System.Text.Json.Nodes;
using Mesh.ControlPlane.Store;
using Mesh.Rules.Kinds;
using Mesh.Rules.Reading;
using Mesh.Rules.Validation;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace Mesh.ControlPlane.Api;

/// <summary>How a misspelt or doubled field is treated (the fieldValidation parameter).</summary>
internal enum FieldValidation
{
    /// <summary>Refuse it; also what no parameter means here.</summary>
    Strict,

    /// <summary>Drop it and warn.</summary>
    Warn,
}

/// <summary>One request about a resource: kind, version, place and the parameters that many verbs share.</summary>
internal sealed class ApiRequest
{
    private const int MaxBodyBytes = 3 * 1024 * 1024;

    private ApiRequest(HttpContext http, RuleKind kind, string version)
    {
        Http = http;
        Kind = kind;
        Version = version;
    }

    public HttpContext Http { get; }

    public RuleKind Kind { get; }

    /// <summary>The version in the URL; answers carry it.</summary>
    public string Version { get; }

    /// <summary>Namespace in the URL; null for all.</summary>
    public string? Namespace => Http.GetRouteValue("ns") as string;

    /// <summary>Name in the URL; null for a collection.</summary>
    public string? Name => Http.GetRouteValue("name") as string;

    public RuleKey Key => new(Kind.Kind, Namespace!, Name!);

    /// <summary>Nothing shall be stored. Any other word than All is refused rather than taken for a real write.</summary>
    public bool IsDryRun
    {
        get
        {
            string[] words = [.. Http.Request.Query["dryRun"].Select(static w => w ?? "").Where(static w => w.Length > 0)];
            CheckDryRun(Kind, words);
            return words.Length > 0;
        }
    }

    public FieldValidation Validation => Query("fieldValidation") is "Warn" or "Ignore" ? FieldValidation.Warn : FieldValidation.Strict;

    /// <summary>Who writes; by default the first part of the user agent, as Kubernetes does.</summary>
    public string FieldManager => Query("fieldManager") ?? Http.Request.Headers.UserAgent.ToString().Split('/', ' ')[0] switch { "" => "unknown", string agent => agent };

    public string ContentType => (Http.Request.ContentType ?? "application/json").Split(';')[0].Trim().ToLowerInvariant();

    /// <summary>Takes the route apart; an unknown group, version or plural is a 404 as from any server without the kind.</summary>
    public static ApiRequest? Parse(HttpContext http)
    {
        string version = (string)http.GetRouteValue("version")!;
        RuleKind? kind = RuleKinds.FindByPlural((string)http.GetRouteValue("group")!, (string)http.GetRouteValue("plural")!);
        return kind is null || !kind.Versions.Contains(version) ? null : new ApiRequest(http, kind, version);
    }

    /// <summary>422 when one of the words is not All, the only one there is.</summary>
    public static void CheckDryRun(RuleKind kind, IEnumerable<string> words)
    {
        if (words.FirstOrDefault(static w => w != "All") is { } other)
        {
            throw ApiError.Invalid(kind, "", [("dryRun", "FieldValueNotSupported", $"Unsupported value: \"{other}\": supported values: \"All\"")]);
        }
    }

    public string? Query(string name) => Http.Request.Query.TryGetValue(name, out Microsoft.Extensions.Primitives.StringValues value) ? value.ToString() : null;

    /// <summary>The body as bytes; too large is a 413.</summary>
    public async Task<byte[]> BodyAsync()
    {
        using MemoryStream all = new();
        byte[] buffer = new byte[16 * 1024];
        int read;
        while ((read = await Http.Request.Body.ReadAsync(buffer, Http.RequestAborted)) > 0)
        {
            all.Write(buffer, 0, read);
            if (all.Length > MaxBodyBytes)
            {
                throw new ApiError(413, "RequestEntityTooLarge", $"the request is larger than {MaxBodyBytes} bytes; split it");
            }
        }

        return all.ToArray();
    }

    /// <summary>The body as an object, JSON or YAML; findings are duplicates only, anything worse is a 400.</summary>
    public async Task<(JsonObject Object, IReadOnlyList<Diagnostic> Duplicates)> ObjectAsync()
    {
        byte[] body = await BodyAsync();
        bool isJson = body.AsSpan().TrimStart(" \t\r\n"u8).StartsWith("{"u8);
        (JsonObject? obj, System.Collections.Immutable.ImmutableArray<Diagnostic> findings) = isJson ? RuleJson.FromJson(body) : RuleJson.FromYaml(Encoding.UTF8.GetString(body));
        Diagnostic[] errors = [.. findings.Where(static f => f.Severity == Severity.Error && f.Code != DiagnosticCode.DuplicateField)];
        if (obj is null || errors.Length > 0)
        {
            string place = errors.Length > 0 && errors[0].Line > 0 ? $"line {errors[0].Line}, column {errors[0].Column}: " : "";
            throw ApiError.BadRequest(
                $"the object provided is unrecognized (must be of type {Kind.Kind}): {place}{(errors.Length > 0 ? errors[0].Message : "it is empty")}");
        }

        CheckShape(obj);
        return (obj, [.. findings.Where(static f => f.Code == DiagnosticCode.DuplicateField)]);
    }

    /// <summary>400 when a field that the API itself reads has a wrong type.</summary>
    public void CheckShape(JsonObject obj)
    {
        if (ObjectShape.Problem(obj) is { } problem)
        {
            throw ApiError.BadRequest($"{Kind.Kind} in version \"{Version}\" cannot be handled as a {Kind.Kind}: {problem.Field}: {problem.Message}");
        }
    }
}
