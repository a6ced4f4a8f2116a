namespace Mesh.ControlPlane.Access;

/// <summary>Who stands behind a request at a guarded door. Immutable.</summary>
/// <param name="Namespace">Namespace of the service account; empty for <see cref="Operator"/>.</param>
/// <param name="ServiceAccount">Name of the service account.</param>
/// <param name="Pod">Pod that the token is bound to; null when it is bound to none.</param>
internal sealed record Caller(string Namespace, string ServiceAccount, string? Pod)
{
    /// <summary>Whoever has the token of the operator's file.</summary>
    public static Caller Operator { get; } = new("", "operator", null) { IsOperator = true };

    /// <summary>True for a caller that every route is open to.</summary>
    public bool IsOperator { get; init; }

    /// <summary>What a sidecar is remembered by: the pod, which keeps its name when its service account is replaced; else the service account.</summary>
    public string Owner => IsOperator ? "" : Pod is not null ? $"pod {Namespace}/{Pod}" : $"service account {Namespace}/{ServiceAccount}";

    /// <summary>The id that only this caller may have: <c>POD.NAMESPACE</c>; null when the token is bound to no pod.</summary>
    public string? Node => IsOperator || Pod is null ? null : $"{Pod}.{Namespace}";

    /// <summary>Whether the caller may speak for a sidecar that was registered by <paramref name="owner"/>.</summary>
    public bool MaySpeakFor(string owner) => IsOperator || Owner == owner;

    /// <inheritdoc/>
    public override string ToString() => IsOperator ? "the operator" : Pod is null ? Owner : $"{Owner} (service account {ServiceAccount})";
}
