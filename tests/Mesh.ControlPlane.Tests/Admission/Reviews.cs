using System.Text;
using System.Text.Json.Nodes;
using Mesh.ControlPlane.Admission;
using Xunit;

namespace Mesh.ControlPlane.Tests.Admission;

/// <summary>Reviews as an API server sends them.</summary>
internal static class Reviews
{
    public const string Pod = """{"apiVersion":"v1","kind":"Pod","metadata":{"generateName":"orders-7d9c-","labels":{"app":"orders","pod-template-hash":"7d9c"}},"spec":{"containers":[{"name":"app","image":"a:1"}]}}""";

    public static JsonObject Review(string operation, string group, string resource, string? obj, string? old = null, string subResource = "", bool dryRun = false) => new()
    {
        ["apiVersion"] = "admission.k8s.io/v1",
        ["kind"] = "AdmissionReview",
        ["request"] = new JsonObject
        {
            ["uid"] = "705ab4f5-6393-11e8-b7cc-42010a800002",
            ["kind"] = new JsonObject { ["group"] = group, ["version"] = "v1", ["kind"] = "Pod" },
            ["resource"] = new JsonObject { ["group"] = group, ["version"] = "v1", ["resource"] = resource },
            ["subResource"] = subResource,
            ["operation"] = operation,
            ["namespace"] = "shop",
            ["dryRun"] = dryRun,
            ["object"] = obj is null ? null : JsonNode.Parse(obj),
            ["oldObject"] = old is null ? null : JsonNode.Parse(old),
        },
    };

    public static AdmissionRequest Request(string operation, string group, string resource, string? obj, string? old = null, string subResource = "")
    {
        (AdmissionRequest? request, string? problem) = AdmissionRequest.Read(Encoding.UTF8.GetBytes(Review(operation, group, resource, obj, old, subResource).ToJsonString()));
        Assert.Null(problem);
        return request!;
    }
}
