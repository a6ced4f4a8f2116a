using System.Collections.Immutable;
using System.Text.Json.Nodes;

namespace Mesh.Injection;

/// <summary>What holds for one pod: the operator's settings with the pod's annotations over them. Immutable.</summary>
internal sealed record PodSettings
{
    /// <summary>Image of the sidecar.</summary>
    public required string Image { get; init; }

    /// <summary>How traffic reaches the sidecar.</summary>
    public InterceptionMode Mode { get; init; }

    /// <summary>Options of <c>mesh-init</c>, by name; those that are not here keep the program's defaults.</summary>
    public ImmutableSortedDictionary<string, string> Capture { get; init; } = ImmutableSortedDictionary<string, string>.Empty;

    /// <summary>Options of the sidecar, by name, apart from those that every pod has.</summary>
    public ImmutableSortedDictionary<string, string> Run { get; init; } = ImmutableSortedDictionary<string, string>.Empty;

    /// <summary>Whether the sidecar is a native one.</summary>
    public bool IsNative { get; init; }

    /// <summary>Whether an ordinary sidecar holds the start of the application.</summary>
    public bool HoldsApplication { get; init; }

    /// <summary>Whether the application's probes go through the sidecar.</summary>
    public bool RewritesProbes { get; init; }

    /// <summary>Whether Prometheus is led to the merged page.</summary>
    public bool MergesMetrics { get; init; }

    /// <summary>Whether kubelet asks the sidecar for its readiness.</summary>
    public bool HasProbe { get; init; } = true;

    /// <summary>Seconds before the first readiness probe.</summary>
    public int ProbeDelay { get; init; }

    /// <summary>Seconds between readiness probes.</summary>
    public int ProbePeriod { get; init; } = 15;

    /// <summary>Failures in a row after which the sidecar is not ready.</summary>
    public int ProbeFailures { get; init; } = 4;

    /// <summary>Resources from annotations; when one of the four is set, the defaults are out (as with Istio: a default limit may lie below a given request).</summary>
    public ResourceSettings? OwnResources { get; init; }

    /// <summary>The operator's resources.</summary>
    public required ResourceSettings DefaultResources { get; init; }

    /// <summary>The resources that hold.</summary>
    public ResourceSettings Resources => OwnResources ?? DefaultResources;

    /// <summary>Volumes of the user for the sidecar, by name.</summary>
    public JsonObject? UserVolumes { get; init; }

    /// <summary>Where the sidecar mounts them, by name.</summary>
    public JsonObject? UserMounts { get; init; }

    /// <summary>Reads the annotations of <paramref name="metadata"/>; what is wrong with one goes to <paramref name="notes"/>.</summary>
    public static PodSettings Read(JsonObject? metadata, InjectionSettings settings, Notes notes)
    {
        PodSettings pod = new()
        {
            Image = settings.Image,
            DefaultResources = settings.Resources,
            IsNative = settings.Native switch
            {
                NativeSidecar.Always => true,
                NativeSidecar.Never => false,
                _ => settings.KubernetesMinor is null or >= InjectionSettings.FirstNativeMinor,
            },
            HoldsApplication = settings.HoldsApplication,
            RewritesProbes = settings.RewritesProbes,
            MergesMetrics = settings.MergesMetrics,
        };
        foreach ((string key, string value) in metadata.Map("annotations").Texts())
        {
            string place = $"annotation {key}";
            if (AnnotationRow.Find(key) is not { } row)
            {
                WarnOfUnknown(key, notes);
            }
            else if (row.Take is null)
            {
                notes.Warnings.Add($"{place}: accepted but not enforced yet");
            }
            else if (row.Take(pod, value, notes) is { } taken)
            {
                pod = taken;
            }
            else
            {
                notes.Problems.Add($"{place}: '{value}' is not right; write {row.Expected}");
            }
        }

        return pod;
    }

    private static void WarnOfUnknown(string key, Notes notes)
    {
        string[] ours = ["sidecar.istio.io/", "traffic.sidecar.istio.io/", "status.sidecar.istio.io/", "readiness.status.sidecar.istio.io/", "proxy.istio.io/"];
        if (ours.FirstOrDefault(prefix => key.StartsWith(prefix, StringComparison.Ordinal)) is { } prefix)
        {
            string known = string.Join(", ", AnnotationRow.All.Select(static r => r.Key).Where(k => k.StartsWith(prefix, StringComparison.Ordinal)).Select(k => k[prefix.Length..]));
            notes.Warnings.Add($"annotation {key} is not known and has no effect; with {prefix} there are {known}");
        }
    }
}
