using System.Text.Json.Serialization;

namespace Mesh.ControlPlane.Coordination;

/// <summary>Body of <c>POST /mesh/v1/breakers/force</c>: what somebody decides by hand for all circuits of a host.</summary>
internal sealed record ForceRequest
{
    /// <summary>Longest time that somebody decides for.</summary>
    public static readonly TimeSpan Longest = TimeSpan.FromHours(24);

    private const int LongestReason = 200;

    /// <summary>The host: as the page has it, or <c>NAME</c> and <c>NAME.NAMESPACE</c> for one of the cluster.</summary>
    public required string Host { get; init; }

    /// <summary><c>open</c>: no call passes. <c>closed</c>: every call passes and counts. <c>disabled</c>: every call passes and counts nothing. <c>auto</c>: by what happens again.</summary>
    public required string State { get; init; }

    /// <summary>For how long; of no meaning with <c>auto</c>.</summary>
    public long ForMilliseconds { get; set; }

    /// <summary>Why, for whoever finds the circuit so.</summary>
    public string Reason { get; set; } = "";

    /// <summary>What is wrong with it; null when all is well.</summary>
    [JsonIgnore]
    public string? Problem =>
        State is not ("open" or "closed" or "disabled" or "auto") ? $"state: '{State}' is none; write open, closed, disabled or auto"
        : State != "auto" && (ForMilliseconds < 1 || ForMilliseconds > Longest.TotalMilliseconds) ? $"forMilliseconds: must be in 1..{(long)Longest.TotalMilliseconds} (24 h), was {ForMilliseconds}; what is meant to stay belongs into the rule (spec.state)"
        : Reason.Length > LongestReason || Reason.AsSpan().ContainsAny('\r', '\n') ? $"reason: write one line of at most {LongestReason} letters"
        : null;

    /// <summary>Whether <paramref name="host"/> is meant.</summary>
    public bool Means(string host) => host == Host || host == $"{Host}.svc.cluster.local"
        || (!Host.Contains('.', StringComparison.Ordinal) && host.EndsWith(".svc.cluster.local", StringComparison.Ordinal) && host.StartsWith($"{Host}.", StringComparison.Ordinal));
}

/// <summary>JSON of what people send.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, RespectNullableAnnotations = true)]
[JsonSerializable(typeof(ForceRequest))]
internal sealed partial class ForceJson : JsonSerializerContext;
