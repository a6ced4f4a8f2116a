using System.Text.Json.Nodes;

namespace Mesh.ControlPlane.Kubernetes;

/// <summary>A status that is to be written. Immutable.</summary>
/// <param name="Object">The rule as it was last seen.</param>
/// <param name="Status">Its status.</param>
internal sealed record StatusWish(JsonObject Object, JsonObject Status)
{
    /// <summary>Timestamp before which it is not tried; 0 at first.</summary>
    public long NotBefore { get; init; }

    /// <summary>HTTP status of the failure that was logged; 0 for none.</summary>
    public int Said { get; init; }

    /// <summary>Tries that failed.</summary>
    public int Failures { get; init; }

    /// <summary>Whether it waits only because the same words were written a short time ago: others need not.</summary>
    public bool IsHeld { get; init; }

    /// <summary>How long it is still to wait; zero or less when it is due.</summary>
    public TimeSpan Left(TimeProvider time) => NotBefore == 0 ? TimeSpan.Zero : time.GetElapsedTime(time.GetTimestamp(), NotBefore);

    /// <summary>What came after it: it waits as long, if that was for a failure.</summary>
    public StatusWish Replaced(JsonObject obj, JsonObject status) => IsHeld ? new StatusWish(obj, status) : this with { Object = obj, Status = status };

    /// <summary>The same, later.</summary>
    public StatusWish After(TimeSpan pause, TimeProvider time) =>
        this with { NotBefore = time.GetTimestamp() + (long)(pause.TotalSeconds * time.TimestampFrequency) };
}
