using System.Text.Json.Nodes;

namespace Mesh.Injection;

/// <summary>
/// Adds the sidecar to a pod. A pure function of the pod and the settings, so that the webhook and <c>meshctl inject</c> give the same. An injected pod is
/// left as it is. Stateless and thread-safe.
/// </summary>
public static class SidecarInjector
{
    /// <summary>Injects, or says why not. <paramref name="input"/> stays as it is.</summary>
    /// <param name="input">The pod, or a workload's template of it.</param>
    /// <param name="settings">The operator's settings.</param>
    public static InjectionResult Inject(PodInput input, InjectionSettings settings)
    {
        Notes notes = new();
        if ((InjectionDecision.WhyNot(input, settings, notes) ?? PodCheck.WhyInjected(input)) is { } reason)
        {
            return notes.Left(reason);
        }

        PodCheck.Shape(input, notes);
        PodSettings pod = PodSettings.Read(input.Metadata, settings, notes);
        PodCheck.Names(input.Spec, pod, notes);
        PodCheck.Advise(input.Spec, pod, notes);
        if (notes.Problems.Count > 0)
        {
            return notes.Left("it has errors");
        }

        JsonObject metadata = (JsonObject?)input.Metadata?.DeepClone() ?? [];
        JsonObject spec = (JsonObject)input.Spec.DeepClone();
        List<(string Name, string Value)> handedOver = [];
        if (pod.RewritesProbes && ProbeRewriter.Rewrite(spec, notes) is { Count: > 0 } probes)
        {
            handedOver.Add((ProbeRewriter.Variable, probes.ToJsonString()));
        }

        if (pod.MergesMetrics && PodMetadata.MergeMetrics(metadata) is { } metrics)
        {
            handedOver.Add((PodMetadata.MetricsVariable, metrics.ToJsonString()));
        }

        AddContainers(spec, pod, settings, handedOver);
        PodVolumes.Add(spec, pod);
        PodMetadata.Add(metadata, spec, input, pod, settings.Revision);
        return notes.Injected(metadata, spec);
    }

    // A native sidecar runs from before the user's init containers, which are thus in the mesh too. An ordinary one starts after them: they must go
    // uncaptured, or they would talk to a port that nobody listens on yet, so traffic is led to it last.
    private static void AddContainers(JsonObject spec, PodSettings pod, InjectionSettings settings, List<(string Name, string Value)> handedOver)
    {
        JsonObject sidecar = ProxyContainer.Sidecar(pod, settings, handedOver);
        JsonObject? init = pod.Mode == InterceptionMode.None ? null : ProxyContainer.Init(pod, settings);
        if (pod.IsNative)
        {
            JsonArray first = spec.ListAt("initContainers");
            first.Insert(0, sidecar);
            if (init is not null)
            {
                first.Insert(0, init);
            }

            return;
        }

        if (init is not null)
        {
            spec.ListAt("initContainers").Add((JsonNode)init);
        }

        JsonArray containers = spec.ListAt("containers");
        containers.Insert(pod.HoldsApplication ? 0 : containers.Count, sidecar);
    }
}
