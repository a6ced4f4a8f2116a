using System.Text.Json;
using System.Text.Json.Nodes;
using Mesh.ControlPlane.Kubernetes;
using Mesh.Injection;

namespace Mesh.ControlPlane.Access;

/// <summary>The question to an API server whose token this is, and how its answer is read. Stateless.</summary>
internal static class TokenReview
{
    /// <summary>Where it is posted to.</summary>
    public const string Path = "/apis/authentication.k8s.io/v1/tokenreviews";

    /// <summary>Audience that a token must be made for: one for the API server itself, which a pod may also have, must not be given to anybody else.</summary>
    public const string Audience = InjectionSettings.TokenAudience;

    private const string Accounts = "system:serviceaccount:";
    private const string PodName = "authentication.kubernetes.io/pod-name";

    /// <summary>The question.</summary>
    public static JsonObject Of(string token) => new()
    {
        ["apiVersion"] = "authentication.k8s.io/v1",
        ["kind"] = "TokenReview",
        ["spec"] = new JsonObject { ["token"] = token, ["audiences"] = new JsonArray(Audience) },
    };

    /// <summary>The answer. It is 201 whatever the verdict, and a refusal has no field that says so.</summary>
    public static CallerAnswer Read(JsonElement review)
    {
        JsonElement status = review.Find("status") ?? default;
        if (status.Bool("authenticated") != true)
        {
            string error = status.Text("error");
            return CallerAnswer.Unknown(error.Length > 0 ? $"the API server does not know the token: {error}" : "the API server does not know the token");
        }

        if (!status.Items("audiences").Any(static a => a.ValueKind == JsonValueKind.String && a.ValueEquals(Audience)))
        {
            return CallerAnswer.Unknown($"the token is not made for the audience {Audience}");
        }

        JsonElement user = status.Find("user") ?? default;
        string[] name = user.Text("username").Split(':');
        if (name is not ["system", "serviceaccount", { Length: > 0 } space, { Length: > 0 } account])
        {
            return CallerAnswer.Unknown($"the token's user is no service account; its name should begin with {Accounts}");
        }

        JsonElement? pod = (user.Find("extra") ?? default).Items(PodName).Select(static p => (JsonElement?)p).FirstOrDefault();
        return CallerAnswer.Of(new Caller(space, account, pod is { ValueKind: JsonValueKind.String } text ? text.GetString() : null));
    }
}
