using System.Buffers.Text;
using System.Text.Json;
using Mesh.ControlPlane.Kubernetes;

namespace Mesh.ControlPlane.Access;

/// <summary>Reads a token without believing it. Stateless.</summary>
internal static class TokenClaims
{
    /// <summary>
    /// What is wrong with the claims, whoever signed them: a token of a service account is a JWT, names its audience and its end. What the API server could only refuse need not be
    /// sent there.
    /// </summary>
    /// <param name="token">The token.</param>
    /// <param name="audience">Audience that it must name.</param>
    /// <param name="now">The time.</param>
    /// <returns>The problem; else when the token ends.</returns>
    public static (string? Problem, DateTimeOffset End) Read(string token, string audience, DateTimeOffset now)
    {
        try
        {
            using JsonDocument? claims = Payload(token) is { } payload ? JsonDocument.Parse(payload) : null;
            return claims is not { RootElement: { ValueKind: JsonValueKind.Object } root } ? ("the token is none of a service account", default)
                : !Names(root, audience) ? ($"the token is not made for the audience {audience}", default)
                : End(root) is not { } end ? ("the token is none of a service account: it does not say when it ends", default)
                : end <= now ? ("the token has ended", default)
                : (null, end);
        }
        catch (JsonException)
        {
            return ("the token is none of a service account", default);
        }
    }

    private static bool Names(JsonElement claims, string audience) => claims.Find("aud") switch
    {
        { ValueKind: JsonValueKind.String } one => one.ValueEquals(audience),
        { ValueKind: JsonValueKind.Array } all => all.EnumerateArray().Any(a => a.ValueKind == JsonValueKind.String && a.ValueEquals(audience)),
        _ => false,
    };

    private static DateTimeOffset? End(JsonElement claims) =>
        claims.Find("exp") is { ValueKind: JsonValueKind.Number } end && end.TryGetInt64(out long seconds)
            && seconds > 0 && seconds < DateTimeOffset.MaxValue.ToUnixTimeSeconds() ? DateTimeOffset.FromUnixTimeSeconds(seconds) : null;

    private static byte[]? Payload(string token)
    {
        if (token.Split('.') is not [{ Length: > 0 }, { Length: > 0 } payload, { Length: > 0 }] || !Base64Url.IsValid(payload))
        {
            return null;
        }

        return Base64Url.DecodeFromChars(payload);
    }
}
