using System.Text.Json.Nodes;
using MeshNames = Mesh.Injection.Names;

namespace Mesh.Injection;

/// <summary>Looks at a pod before anything is added: what stands in the way, and what its author should know.</summary>
internal static class PodCheck
{
    /// <summary>Why a sidecar need not be added, because there is one; null when there is none.</summary>
    public static string? WhyInjected(PodInput pod)
    {
        bool isMarked = pod.Metadata.Map("annotations").Text(MeshNames.StatusKey) is not null;
        return isMarked && Has(pod.Spec, MeshNames.Proxy) ? "it is injected already"
            : Has(pod.Spec, MeshNames.IstioProxy) ? "it has Istio's sidecar; two of them would take each other's traffic"
            : null;
    }

    /// <summary>Reports lists and maps that are something else.</summary>
    public static void Shape(PodInput pod, Notes notes)
    {
        if (pod.Spec["containers"] is not JsonArray { Count: > 0 })
        {
            notes.Problems.Add("spec.containers: a pod needs at least one");
        }

        foreach (string name in (string[])["initContainers", "volumes"])
        {
            if (pod.Spec[name] is not (null or JsonArray))
            {
                notes.Problems.Add($"spec.{name}: must be a list");
            }
        }

        foreach (string name in (string[])["labels", "annotations"])
        {
            if (pod.Metadata?[name] is not (null or JsonObject))
            {
                notes.Problems.Add($"metadata.{name}: must be a map of texts");
            }
        }
    }

    /// <summary>Reports names that the injector needs for itself.</summary>
    public static void Names(JsonObject spec, PodSettings pod, Notes notes)
    {
        foreach (string name in ((string[])[MeshNames.Proxy, MeshNames.Init]).Where(name => Has(spec, name)))
        {
            notes.Problems.Add($"container {name}: the name is the mesh's; give yours another");
        }

        IEnumerable<string> volumes = MeshNames.Volumes.Concat((pod.UserVolumes ?? []).Select(static v => v.Key));
        foreach (string name in volumes.Where(name => spec.HasNamed("volumes", name)))
        {
            notes.Problems.Add($"volume {name}: the name is used by the sidecar; give yours another");
        }
    }

    /// <summary>Says what is legal and works otherwise than its author thinks.</summary>
    public static void Advise(JsonObject spec, PodSettings pod, Notes notes)
    {
        JsonObject? ofPod = spec.Map("securityContext");
        foreach (JsonObject container in spec.Items("containers"))
        {
            JsonObject? own = container.Map("securityContext");
            foreach (string field in (string[])["runAsUser", "runAsGroup"])
            {
                if ((own.Number(field) ?? ofPod.Number(field)) == MeshNames.ProxyUser)
                {
                    notes.Warnings.Add($"container {container.Text("name")}: {field} {MeshNames.ProxyUser} is the sidecar's, its traffic goes past the mesh; choose another");
                }
            }
        }

        if (!pod.IsNative && spec.Text("restartPolicy") is ("Never" or "OnFailure"))
        {
            notes.Warnings.Add("the sidecar outlives the application, so the pod does not complete; run a native sidecar (Kubernetes 1.33), or POST /quitquitquit to 127.0.0.1:15020 at the end");
        }
    }

    private static bool Has(JsonObject spec, string container) => spec.HasNamed("containers", container) || spec.HasNamed("initContainers", container);
}
