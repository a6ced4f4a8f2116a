using System.Globalization;
using System.Text.Json;

namespace Mesh.ControlPlane.Kubernetes;

/// <summary>What a failure means for the caller.</summary>
internal enum FailureKind
{
    /// <summary>No answer: no connection, cut off, too late, or no JSON.</summary>
    Unreachable,

    /// <summary>401: the credentials are not taken.</summary>
    Unauthorized,

    /// <summary>403: the rights are missing.</summary>
    Forbidden,

    /// <summary>404: no such object, or no such resource.</summary>
    NotFound,

    /// <summary>409 for a name that is taken.</summary>
    AlreadyExists,

    /// <summary>409: somebody else wrote meanwhile; read again.</summary>
    Conflict,

    /// <summary>410: the version or the continue token is too old; list again.</summary>
    Expired,

    /// <summary>429: later.</summary>
    TooManyRequests,

    /// <summary>5xx: later.</summary>
    Server,

    /// <summary>Any other refusal: the same request will be refused again.</summary>
    Refused,
}

/// <summary>Why a request to the API server did not do what it should.</summary>
/// <param name="Kind">What it means.</param>
/// <param name="Code">HTTP status; 0 without an answer.</param>
/// <param name="Message">The server's words, or ours.</param>
/// <param name="RetryAfter">How long the server asks to wait, if it says so.</param>
internal sealed record ApiFailure(FailureKind Kind, int Code, string Message, TimeSpan? RetryAfter = null)
{
    private const int LongestText = 200;

    /// <summary>Whether any other request would have failed as well, so that all are to wait: no answer, bad credentials, or a server that asks for time.</summary>
    public bool IsAboutTheServer => Kind is FailureKind.Unreachable or FailureKind.Unauthorized or FailureKind.TooManyRequests || RetryAfter is not null;

    /// <summary>No answer.</summary>
    public static ApiFailure Unreachable(string message) => new(FailureKind.Unreachable, 0, message);

    /// <summary>A refusal. Its body is a Status object, or plain text when something in between answered.</summary>
    /// <param name="code">HTTP status.</param>
    /// <param name="body">The body, any bytes.</param>
    /// <param name="retryAfter">Header Retry-After.</param>
    public static ApiFailure From(int code, ReadOnlyMemory<byte> body, TimeSpan? retryAfter)
    {
        try
        {
            using JsonDocument document = JsonDocument.Parse(body);
            return document.RootElement.ValueKind == JsonValueKind.Object
                ? FromStatus(document.RootElement, code, retryAfter)
                : new ApiFailure(KindOf(code, ""), code, $"HTTP status {code}", retryAfter);
        }
        catch (JsonException)
        {
            string text = System.Text.Encoding.UTF8.GetString(body.Span).ReplaceLineEndings(" ").Trim();
            string shown = text.Length == 0 ? $"HTTP status {code}" : text[..Math.Min(text.Length, LongestText)];
            return new ApiFailure(KindOf(code, ""), code, shown, retryAfter);
        }
    }

    /// <summary>A Status object: the body of a refusal, or the object of a watch's ERROR event.</summary>
    public static ApiFailure FromStatus(JsonElement status, int code = 0, TimeSpan? retryAfter = null)
    {
        code = status.Find("code") is { ValueKind: JsonValueKind.Number } number && number.TryGetInt32(out int own) ? own : code;
        string reason = status.Text("reason");
        string message = status.Text("message");
        if (status.Find("details")?.Find("retryAfterSeconds") is { ValueKind: JsonValueKind.Number } seconds && seconds.TryGetInt32(out int wait))
        {
            retryAfter ??= TimeSpan.FromSeconds(wait);
        }

        string text = message.Length > 0 ? message : string.Create(CultureInfo.InvariantCulture, $"HTTP status {code} {reason}");
        return new ApiFailure(KindOf(code, reason), code, text, retryAfter);
    }

    private static FailureKind KindOf(int code, string reason) => code switch
    {
        401 => FailureKind.Unauthorized,
        403 => FailureKind.Forbidden,
        404 => FailureKind.NotFound,
        409 => reason == "AlreadyExists" ? FailureKind.AlreadyExists : FailureKind.Conflict,
        410 => FailureKind.Expired,
        429 => FailureKind.TooManyRequests,
        >= 500 => FailureKind.Server,
        _ => FailureKind.Refused,
    };
}
