using Mesh.ControlPlane.Push;
using Mesh.Rules.Wire;

namespace Mesh.ControlPlane.Registry;

/// <summary>A sidecar that registered and whose lease has not ended. Immutable, but for its session.</summary>
/// <param name="Id">Its id in all calls.</param>
/// <param name="Registration">What it said of itself.</param>
/// <param name="Session">What was pushed to it and what it answered.</param>
/// <param name="LastSeen">Timestamp of its registration or last report.</param>
internal sealed record RegisteredSidecar(string Id, SidecarRegistration Registration, PushSession Session, long LastSeen)
{
    /// <summary>False while it drains: its endpoint is taken out.</summary>
    public bool IsReady { get; init; } = true;

    /// <summary>Who registered it, as <see cref="Access.Caller.Owner"/> says; empty where callers have no names.</summary>
    public string Owner { get; init; } = "";

    /// <summary>Version it says is in force.</summary>
    public string ReportedVersion { get; init; } = "";
}
