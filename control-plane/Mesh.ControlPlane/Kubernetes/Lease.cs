using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Mesh.ControlPlane.Kubernetes;

/// <summary>A Lease object: who leads, and since which version. Immutable.</summary>
/// <param name="Object">The whole object.</param>
internal sealed record Lease(JsonObject Object)
{
    /// <summary>Identity of the holder; empty when it stepped down.</summary>
    public string Holder => (string?)Spec["holderIdentity"] ?? "";

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
    public JsonObject HeldBy(string holder, TimeSpan duration, DateTimeOffset now)
    {
        JsonObject next = (JsonObject)Object.DeepClone();
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
