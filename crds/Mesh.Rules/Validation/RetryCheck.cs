using System.Globalization;
using Mesh.Rules.Kinds;
using Mesh.Rules.Schema;

namespace Mesh.Rules.Validation;

/// <summary>Checks of retries (semantics 4.6). Texts are Istio's.</summary>
internal static class RetryCheck
{
    /// <summary>Conditions that Istio knows.</summary>
    public static readonly string[] Conditions =
    [
        "5xx", "gateway-error", "reset", "reset-before-request", "connect-failure", "retriable-4xx", "refused-stream", "retriable-status-codes", "retriable-headers",
        "envoy-ratelimited", "http3-post-connect-failure", "cancelled", "deadline-exceeded", "internal", "resource-exhausted", "unavailable",
    ];

    public static void Check(RetrySettings? retries, Cursor at)
    {
        if (retries is null)
        {
            return;
        }

        if (retries.Attempts is null or 0 && (retries.PerTryTimeout is not null || retries.RetryOn is not null || retries.RetryRemoteLocalities is not null))
        {
            at.Error("http retry policy configured when attempts are set to 0 (disabled); write attempts: 2, or leave the other fields out");
        }

        // As Istio: split, not trimmed. A blank after the comma is part of the word.
        foreach (string word in retries.RetryOn is { Length: > 0 } on ? on.Split(',') : [])
        {
            if (!Conditions.Contains(word, StringComparer.Ordinal) && !IsStatus(word, out _))
            {
                string advice = word.Trim() is var trimmed && trimmed != word && (Conditions.Contains(trimmed, StringComparer.Ordinal) || IsStatus(trimmed, out _))
                    ? $"; remove the blank: {RuleNode.Quote(trimmed)}"
                    : Suggestion.For(word, Conditions);
                at.Field("retryOn").Error($"{RuleNode.Quote(word)} is not a valid retryOn policy{advice}", DiagnosticCode.NotSupported);
            }

            if (word == "http3-post-connect-failure")
            {
                at.Field("retryOn").NotEnforced("HTTP/3 is not spoken");
            }
        }
    }

    /// <summary>Whether the word is an HTTP status code.</summary>
    public static bool IsStatus(string word, out int status) =>
        int.TryParse(word, NumberStyles.None, CultureInfo.InvariantCulture, out status) && status is >= 100 and <= 599;
}
