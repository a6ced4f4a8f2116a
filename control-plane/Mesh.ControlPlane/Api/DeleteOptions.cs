using System.Text.Json.Nodes;
using Mesh.ControlPlane.Store;
using Mesh.Rules.Reading;

namespace Mesh.ControlPlane.Api;

/// <summary>The body of a DELETE. What is not understood is refused: a misread dry run or precondition would delete what was meant to stay.</summary>
/// <param name="IsDryRun">Nothing shall be deleted; written in the body by kubectl, else in the query.</param>
/// <param name="Preconditions">uid and resourceVersion that the object must have; null for none.</param>
internal sealed record DeleteOptions(bool IsDryRun, JsonObject? Preconditions)
{
    public static async Task<DeleteOptions> ReadAsync(ApiRequest request)
    {
        byte[] body = await request.BodyAsync();
        if (body.Length == 0)
        {
            return new DeleteOptions(request.IsDryRun, null);
        }

        (JsonObject? options, var problems) = RuleJson.FromJson(body);
        if (options is null)
        {
            throw ApiError.BadRequest($"the delete options are not readable: {(problems.Length > 0 ? problems[0].Message : "an object is expected")}");
        }

        if (options["preconditions"] is not (null or JsonObject) || options["dryRun"] is not (null or JsonArray))
        {
            throw ApiError.BadRequest("the delete options are not understood: preconditions must be an object, dryRun a list");
        }

        JsonObject? preconditions = options["preconditions"] as JsonObject;
        if (preconditions is not null && ObjectShape.Metadata(preconditions) is { } problem)
        {
            throw ApiError.BadRequest($"preconditions: {problem.Field}: {problem.Message}");
        }

        JsonArray dryRun = options["dryRun"] as JsonArray ?? [];
        ApiRequest.CheckDryRun(request.Kind, dryRun.Select(static d => d?.ToString() ?? ""));
        return new DeleteOptions(request.IsDryRun || dryRun.Count > 0, preconditions);
    }
}
