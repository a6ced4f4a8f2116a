using Mesh.Rules.Wire;

namespace Mesh.ControlPlane.Coordination;

/// <summary>
/// Something that all callers share and that is decided here: circuits, limits. Only <see cref="MeshCoordinator"/> calls it, one call at a time, so that it needs no lock of its own.
/// Time is an argument, in timestamps of the coordinator's clock; nothing happens between two calls.
/// </summary>
internal interface ICoordinated
{
    /// <summary>Takes what a caller reports. What it reported before and does not report now it no longer has.</summary>
    /// <param name="reporter">The caller; the same object from its first report until <see cref="Forget"/>.</param>
    /// <param name="report">The report.</param>
    /// <param name="now">Timestamp.</param>
    /// <returns>True when another caller's orders changed, so that it hears of it before its next report.</returns>
    bool Report(Reporter reporter, SidecarReport report, long now);

    /// <summary>A caller has left, or was silent for a lease.</summary>
    /// <returns>True when another caller's orders changed.</returns>
    bool Forget(Reporter reporter, long now);

    /// <summary>Lets happen what time alone brings, for who looks between two reports.</summary>
    /// <returns>True when a caller's orders changed.</returns>
    bool Advance(long now);

    /// <summary>Adds what is decided for a caller to <paramref name="orders"/>.</summary>
    void AddOrders(Reporter reporter, SidecarOrders orders, long now);

    /// <summary>Another replica decided until now, or does from now on; all callers have been forgotten. What is remembered beside them is of another time.</summary>
    void Restart(long now)
    {
    }
}
