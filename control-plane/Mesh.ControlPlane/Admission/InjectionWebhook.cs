using System.Text.Json.Nodes;
using Mesh.Injection;

namespace Mesh.ControlPlane.Admission;

/// <summary>The mutating webhook: gives new pods their sidecar, as <c>meshctl inject</c> does. Thread-safe.</summary>
/// <param name="settings">The operator's settings.</param>
internal sealed class InjectionWebhook(InjectionSettings settings)
{
    /// <summary>Answers. A dry run gets the same answer: nothing is done here but computing it.</summary>
    public AdmissionAnswer Answer(AdmissionRequest request)
    {
        bool isNewPod = request is { Operation: "CREATE", Group: "", Resource: "pods", SubResource: "" };
        if (!isNewPod || request.Object is not { } pod || pod["spec"] is not JsonObject spec)
        {
            return AdmissionAnswer.Allowed;
        }

        JsonObject? metadata = pod["metadata"] as JsonObject;
        PodInput input = new(metadata, spec, request.Namespace, WorkloadName.Of(metadata));
        InjectionResult result = SidecarInjector.Inject(input, settings);
        if (result.Problems.Length > 0)
        {
            return AdmissionAnswer.Refused(400, "BadRequest", $"the pod cannot get its sidecar: {string.Join("; ", result.Problems)}") with
            {
                Warnings = result.Warnings,
            };
        }

        return AdmissionAnswer.Allowed with { Warnings = result.Warnings, Patch = result.IsInjected ? PatchOf(pod, result) : null };
    }

    private static JsonArray PatchOf(JsonObject pod, InjectionResult result) => JsonPatch.Between(
        new JsonObject { ["metadata"] = pod["metadata"]?.DeepClone(), ["spec"] = pod["spec"]!.DeepClone() },
        new JsonObject { ["metadata"] = result.Metadata!.DeepClone(), ["spec"] = result.Spec!.DeepClone() });
}
