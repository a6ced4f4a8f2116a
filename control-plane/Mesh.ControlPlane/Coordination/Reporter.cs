using System.Globalization;
using Mesh.ControlPlane.Registry;

namespace Mesh.ControlPlane.Coordination;

/// <summary>One process of a sidecar that shares something with others. Equal when it is the same process. Immutable.</summary>
/// <param name="Id">Id of the sidecar.</param>
/// <param name="Zone">Its zone, or empty.</param>
/// <param name="StartedAt">When it says that it started, RFC 3339; only compared with what others say: their order is that of deployment, also after a restart of ours.</param>
/// <param name="Address">Where it is: one more thing that a next process of the same id seldom has alike.</param>
internal sealed record Reporter(string Id, string Zone, string StartedAt, string Address)
{
    private readonly DateTimeOffset _since =
        DateTimeOffset.TryParse(StartedAt, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out DateTimeOffset since) ? since : DateTimeOffset.MaxValue;

    /// <summary>The reporter of a registered sidecar.</summary>
    public static Reporter Of(RegisteredSidecar sidecar) =>
        new(sidecar.Id, sidecar.Registration.Zone, sidecar.Registration.StartedAt, sidecar.Registration.Address);

    /// <summary>Order of deployment: who started first comes first, who does not say when comes last.</summary>
    public static int Compare(Reporter left, Reporter right)
    {
        int order = left._since.CompareTo(right._since);
        return order != 0 ? order : string.CompareOrdinal(left.Id, right.Id);
    }
}
