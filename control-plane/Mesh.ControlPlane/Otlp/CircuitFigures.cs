using System.Globalization;
using Mesh.ControlPlane.Coordination;
using Mesh.Rules.Wire;

namespace Mesh.ControlPlane.Otlp;

/// <summary>What a shared circuit stands at, copied, so that nobody waits while it is sent.</summary>
/// <param name="Rule">The rule.</param>
/// <param name="Cluster">The upstream.</param>
/// <param name="State">Its state.</param>
/// <param name="Callers">What each caller has seen.</param>
internal sealed record CircuitFigures(string Rule, string Cluster, CircuitState State, IReadOnlyList<CallerFigures> Callers)
{
    /// <summary>Most callers of all circuits together that are sent: the size of a message is bounded, whatever callers make up.</summary>
    public const int MostCallers = 20_000;

    /// <summary>Copies <paramref name="circuits"/>; callers beyond <see cref="MostCallers"/> are left out.</summary>
    public static IReadOnlyList<CircuitFigures> Of(IEnumerable<CircuitEntry> circuits)
    {
        List<CircuitFigures> all = [];
        int left = MostCallers;
        foreach (CircuitEntry entry in circuits)
        {
            CallerFigures[] callers = [.. entry.Circuit.Callers.Take(left).Select(CallerFigures.Of)];
            left -= callers.Length;
            all.Add(new CircuitFigures(entry.Rule, entry.Cluster, entry.Circuit.State, callers));
        }

        return all;
    }
}

/// <summary>What one caller has seen since its process began.</summary>
/// <param name="Id">Id of the sidecar.</param>
/// <param name="StartedAt">When its process began, as it says; null when it does not.</param>
/// <param name="Total">Its calls.</param>
internal sealed record CallerFigures(string Id, DateTimeOffset? StartedAt, CallCounts Total)
{
    /// <summary>Copies a caller.</summary>
    public static CallerFigures Of(CircuitCaller caller) => new(
        caller.Reporter.Id,
        DateTimeOffset.TryParse(caller.Reporter.StartedAt, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out DateTimeOffset at) ? at : null,
        caller.Total);
}
