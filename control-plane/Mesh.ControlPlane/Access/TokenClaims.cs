using System.Buffers.Text;
using System.Text.Json;
using Mesh.ControlPlane.Kubernetes;

namespace Mesh.ControlPlane.Access;

/// <summary>Reads a token without believing it. Stateless.</summary>
internal static class TokenClaims
{
    /// <summary>Whether it has the form of a service account's token, a JWT: what has not need not be sent to anybody.</summary>
    public static bool IsWellFormed(string token) => Payload(token) is not null;

    /// <summary>When it ends; null when it does not say so. Only good for remembering a verdict less long.</summary>
    public static DateTimeOffset? End(string token)
    {
        try
        {
            using JsonDocument claims = JsonDocument.Parse(Payload(token) ?? []);
            return claims.RootElement.Find("exp") is { ValueKind: JsonValueKind.Number } end && end.TryGetInt64(out long seconds)
                && seconds > 0 && seconds < DateTimeOffset.MaxValue.ToUnixTimeSeconds() ? DateTimeOffset.FromUnixTimeSeconds(seconds) : null;
        }
        catch (JsonException)
        {
            return null;
        }
    }

    private static byte[]? Payload(string token)
    {
        if (token.Split('.') is not [{ Length: > 0 }, { Length: > 0 } payload, { Length: > 0 }] || !Base64Url.IsValid(payload))
        {
            return null;
        }

        return Base64Url.DecodeFromChars(payload);
    }
}
