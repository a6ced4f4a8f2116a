using System.Collections.Immutable;
using Mesh.Rules.Kinds;
using Mesh.Rules.Schema;
using Mesh.Rules.Snapshots;

namespace Mesh.Rules.Validation;

/// <summary>Header and form of a transaction id: what cannot be written, and what would not be unique.</summary>
internal static class TransactionIdCheck
{
    private const int MaxHeader = 64;
    private static readonly string[] Framing = ["connection", "content-length", "host", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade", "expect"];

    public static void Check(TransactionId id, Cursor at)
    {
        if (id.Header is { } header && CheckHeader(header) is { } problem)
        {
            at.Field("header").Error(problem);
        }

        string? wrong = TransactionIdFormat.Read(id.Format ?? TransactionIdFormat.Default, out ImmutableArray<TransactionIdPart> parts);
        Cursor format = at.Field("format");
        if (wrong is not null)
        {
            format.Error(wrong);
        }
        else if (!Has(TransactionIdPartKind.Sequence))
        {
            format.Error("has no {sequence:N}: two calls would get the same id");
        }
        else if (!Has(TransactionIdPartKind.Instance))
        {
            format.Warn("has no {instance}: two sidecars give the same id when they count alike");
        }
        else if (!Has(TransactionIdPartKind.Time))
        {
            format.Warn("has no {time:…}: a sidecar that starts again counts from 1, and gives its ids a second time");
        }

        bool Has(TransactionIdPartKind kind) => parts.Any(p => p.Kind == kind);
    }

    private static string? CheckHeader(string name)
    {
        string lower = name.ToLowerInvariant();
        return lower == "x-request-id" ? "x-request-id is on every call already, in the form of a UUID; choose a field of the host's own"
            : Framing.Contains(lower) || lower.StartsWith(':') || lower.StartsWith("x-envoy-", StringComparison.Ordinal)
                ? $"{RuleNode.Quote(name)} is the proxy's own; choose a field of the host's"
            : name.Length > MaxHeader ? $"must have at most {MaxHeader} characters" : HeaderName.Check(name);
    }
}
