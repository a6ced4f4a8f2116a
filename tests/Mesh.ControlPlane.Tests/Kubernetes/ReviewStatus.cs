using System.Text;
using System.Text.Json.Nodes;

namespace Mesh.ControlPlane.Tests.Kubernetes;

/// <summary>Tokens, and statuses of their reviews as an API server 1.32 writes them.</summary>
internal static class ReviewStatus
{
    public const string Audience = "mesh-control-plane";

    /// <summary>A token of the form of a service account's, whose end is far away if none is given; nobody has signed it.</summary>
    public static string Token(string name, DateTimeOffset? end = null) =>
        TokenOf($$"""{"sub":"{{name}}","aud":["{{Audience}}"],"exp":{{(end ?? new DateTimeOffset(2100, 1, 1, 0, 0, 0, TimeSpan.Zero)).ToUnixTimeSeconds()}}}""", name);

    /// <summary>A token with any claims.</summary>
    public static string TokenOf(string claims, string name = "anybody") => $"{Encode("{}")}.{Encode(claims)}.{Encode("signature of " + name)}";

    /// <summary>A refusal: it does not say "authenticated" at all.</summary>
    public static JsonObject Unknown(string error = "[invalid bearer token, unknown]") => new() { ["user"] = new JsonObject(), ["error"] = error };

    public static JsonObject Known(string space, string account, string? pod = null, string audience = Audience)
    {
        JsonObject extra = new() { ["authentication.kubernetes.io/credential-id"] = new JsonArray("JTI=1") };
        if (pod is not null)
        {
            extra["authentication.kubernetes.io/pod-name"] = new JsonArray(pod);
            extra["authentication.kubernetes.io/pod-uid"] = new JsonArray("1");
        }

        return new JsonObject
        {
            ["authenticated"] = true,
            ["user"] = new JsonObject
            {
                ["username"] = $"system:serviceaccount:{space}:{account}",
                ["uid"] = "1",
                ["groups"] = new JsonArray("system:serviceaccounts", $"system:serviceaccounts:{space}", "system:authenticated"),
                ["extra"] = extra,
            },
            ["audiences"] = new JsonArray(audience),
        };
    }

    private static string Encode(string text) => Convert.ToBase64String(Encoding.UTF8.GetBytes(text)).TrimEnd('=').Replace('+', '-').Replace('/', '_');
}
