using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Mesh.ControlPlane.Kubernetes;

/// <summary>A Lease object: who leads, and since which version. Immutable.</summary>
/// <param name="Object">The whole object.</param>
internal sealed record Lease(JsonObject Object)
{
    /// <summary>Annotation that says where the holder is.</summary>
    public const string AddressAnnotation = "mesh.dev/address";

    /// <summary>Identity of the holder; empty when it stepped down.</summary>
    public string Holder => (string?)Spec["holderIdentity"] ?? "";

    /// <summary>Where the holder is reached by other replicas, <c>IP:PORT</c>; null when it does not say.</summary>
    public string? Address => (string?)Object["metadata"]?["annotations"]?[AddressAnnotation];

    /// <summary>How long others leave it to the holder.</summary>
    public TimeSpan Duration => TimeSpan.FromSeconds((int?)Spec["leaseDurationSeconds"] ?? 0);

    /// <summary>Changes with each write.</summary>
    public string Version => (string?)Object["metadata"]?["resourceVersion"] ?? "";

    private JsonObject Spec => Object["spec"] as JsonObject ?? [];

    /// <summary>As the server answered it.</summary>
    public static Lease From(JsonElement element) => new((JsonObject)JsonNode.Parse(element.GetRawText())!);

    /// <summary>A lease that nobody has held yet.</summary>
    public static Lease New(string name, string inNamespace) => new(new JsonObject
    {
        ["apiVersion"] = "coordination.k8s.io/v1",
        ["kind"] = "Lease",
        ["metadata"] = new JsonObject { ["name"] = name, ["namespace"] = inNamespace },
    });

    /// <summary>The same lease held by <paramref name="holder"/>: kept if it is its already, taken over if not.</summary>
    public JsonObject HeldBy(string holder, TimeSpan duration, DateTimeOffset now, string? address = null)
    {
        JsonObject next = (JsonObject)Object.DeepClone();
        SetAddress(next, address);
        JsonObject spec = next["spec"] as JsonObject ?? [];
        next["spec"] = spec;
        bool isNew = spec["leaseTransitions"] is null;
        bool isKept = Holder == holder;
        spec["holderIdentity"] = holder;
        spec["leaseDurationSeconds"] = (int)duration.TotalSeconds;
        spec["acquireTime"] = isKept && spec["acquireTime"] is { } since ? since.DeepClone() : MicroTime(now);
        spec["renewTime"] = MicroTime(now);
        spec["leaseTransitions"] = isNew ? 0 : (int)spec["leaseTransitions"]! + (isKept ? 0 : 1);
        return next;
    }

    // Of the former holder nothing may stay.
    private static void SetAddress(JsonObject lease, string? address)
    {
        JsonObject metadata = (JsonObject)lease["metadata"]!;
        if (address is not null && metadata["annotations"] is not JsonObject)
        {
            metadata["annotations"] = new JsonObject();
        }

        if (metadata["annotations"] is JsonObject annotations)
        {
            annotations.Remove(AddressAnnotation);
            if (address is not null)
            {
                annotations[AddressAnnotation] = address;
            }
        }
    }

    /// <summary>The same lease, free for whoever comes next.</summary>
    public JsonObject Released(DateTimeOffset now)
    {
        JsonObject next = (JsonObject)Object.DeepClone();
        next["spec"]!["holderIdentity"] = "";
        next["spec"]!["leaseDurationSeconds"] = 1; // 0 is refused
        next["spec"]!["renewTime"] = MicroTime(now);
        return next;
    }

    /// <summary>Exactly six decimals: the API refuses any other number of them.</summary>
    private static string MicroTime(DateTimeOffset time) => time.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss.ffffff'Z'", CultureInfo.InvariantCulture);
}
