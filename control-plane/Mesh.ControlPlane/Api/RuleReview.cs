using System.Text.Json.Nodes;
using Mesh.ControlPlane.Store;
using Mesh.Rules.Reading;
using Mesh.Rules.Resolution;
using Mesh.Rules.Validation;

namespace Mesh.ControlPlane.Api;

/// <summary>What the rule library says of an object that is written: the one review of our API and of the webhook.</summary>
/// <param name="Document">The bound rule; null when it is refused.</param>
/// <param name="Errors">Why it is refused.</param>
/// <param name="Warnings">What the author should know, in words.</param>
internal sealed record RuleReview(RuleDocument? Document, IReadOnlyList<Diagnostic> Errors, IReadOnlyList<string> Warnings)
{
    /// <summary>Reviews <paramref name="obj"/> by itself and among <paramref name="all"/> others.</summary>
    public static RuleReview Of(JsonObject obj, RuleStoreState all, UnknownFields unknown = UnknownFields.Refuse)
    {
        RuleReadResult read = RuleReader.ReadJson(obj, "the control plane", unknown);
        Diagnostic[] errors = [.. read.Diagnostics.Where(static d => d.Severity == Severity.Error)];
        IEnumerable<Diagnostic> warnings = read.Diagnostics.Where(static d => d.Severity == Severity.Warning);
        if (read.Document is { } document && errors.Length == 0)
        {
            warnings = warnings.Concat(RuleSetCheck.Check(document, all.Rules.Values.Select(static r => r.Document)));
        }

        return new RuleReview(errors.Length == 0 ? read.Document : null, errors, [.. warnings.Select(static w => $"{w.Path}: {w.Message}")]);
    }
}
