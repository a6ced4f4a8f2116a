using System.Text.Json.Nodes;
using Mesh.ControlPlane.Api;
using Mesh.ControlPlane.Store;
using Mesh.Rules.Kinds;
using Mesh.Rules.Reading;

namespace Mesh.ControlPlane.Admission;

/// <summary>The validating webhook: the checks of our own API, for rules that are applied to a cluster's API server. Thread-safe.</summary>
/// <param name="rules">The rules that are in force, for checks among several.</param>
internal sealed class RuleWebhook(IRuleStore rules)
{
    /// <summary>Answers. Nothing stands in the way of deleting.</summary>
    public AdmissionAnswer Answer(AdmissionRequest request)
    {
        if (request.Operation is not ("CREATE" or "UPDATE") || request.SubResource.Length > 0 || request.Object is not { } obj || KindOf(obj, request.Group) is not { } kind)
        {
            return AdmissionAnswer.Allowed;
        }

        // Until its finalizers are off, an object being deleted takes updates; so does one that was wrong before there was a webhook, in its labels.
        bool isLeaving = obj["metadata"]?["deletionTimestamp"] is not null;
        bool isSame = request.OldObject is { } old && JsonNode.DeepEquals(old["spec"], obj["spec"]);
        if (isLeaving)
        {
            return AdmissionAnswer.Allowed;
        }

        // The cluster's own definition let its fields pass: one that we do not know is newer than we are.
        RuleReview review = RuleReview.Of((JsonObject)obj.DeepClone(), rules.Current, UnknownFields.Warn);
        string[] warnings = [.. review.Warnings];
        if (review.Errors.Count == 0)
        {
            return AdmissionAnswer.Allowed with { Warnings = warnings };
        }

        ApiError refusal = ApiError.Invalid(kind, (string?)obj["metadata"]?["name"] ?? "", review.Errors);
        return isSame
            ? AdmissionAnswer.Allowed with { Warnings = [$"not enforced: {refusal.Message}", .. warnings] }
            : AdmissionAnswer.Refused(refusal.Code, "Invalid", refusal.Message) with { Warnings = warnings };
    }

    private static RuleKind? KindOf(JsonObject obj, string group)
    {
        string kind = obj["kind"]?.GetValueKind() == System.Text.Json.JsonValueKind.String ? (string)obj["kind"]! : "";
        return RuleKinds.All.FirstOrDefault(k => k.Group == group && k.Kind == kind);
    }
}
