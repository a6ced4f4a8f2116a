using System.Text.Json.Nodes;
using Mesh.Rules.Wire;

namespace Mesh.ControlPlane.Coordination;

/// <summary>Shared circuits as JSON, for people and <c>meshctl</c>: who decides what, on which calls, and who tries. Pure.</summary>
internal static class CircuitPage
{
    /// <summary>All circuits and the last decisions.</summary>
    public static JsonObject Write(SharedCircuits circuits, DateTimeOffset now) => new()
    {
        ["circuits"] = new JsonArray([.. circuits.All.Select(c => Write(c, now))]),
        ["events"] = new JsonArray([.. circuits.Events.Last.Select(static e => new JsonObject { ["at"] = Time(e.At), ["text"] = e.Text })]),
    };

    /// <summary>One circuit.</summary>
    public static JsonObject Write(CircuitEntry entry, DateTimeOffset now)
    {
        SharedCircuit circuit = entry.Circuit;
        JsonObject page = new()
        {
            ["rule"] = entry.Rule,
            ["cluster"] = entry.Cluster,
            ["host"] = entry.Host,
            ["decided"] = circuit.Epoch != 0,
            ["state"] = CircuitText.Of(circuit.State),
            ["since"] = circuit.Epoch == 0 ? null : Time(circuit.Since),
            ["epoch"] = circuit.Epoch,
            ["calls"] = circuit.Calls.Calls,
            ["failures"] = circuit.Calls.Failures,
            ["slow"] = circuit.Calls.Slow,
            ["failureRate"] = Rate(circuit.Calls.FailureRate),
            ["slowRate"] = Rate(circuit.Calls.SlowRate),
            ["sick"] = circuit.Sick?.Id,
            ["forced"] = circuit.Forced is { } forced ? Write(forced) : null,
        };
        if (circuit.Passed is { } passed)
        {
            page["passed"] = new JsonObject { ["field"] = passed.Field, ["limit"] = passed.Limit, ["now"] = passed.Now };
        }

        if (circuit is { State: CircuitState.Open, Forced: null })
        {
            page["retryAfterMilliseconds"] = (long)Math.Max(0, (circuit.Since + circuit.OpenTime - now).TotalMilliseconds);
        }

        page["callers"] = new JsonArray([.. circuit.Callers.OrderBy(static c => c.Reporter.Id, StringComparer.Ordinal).Select(c => Write(c, circuit, now))]);
        return page;
    }

    /// <summary>What somebody decided by hand.</summary>
    public static JsonObject Write(ForcedState forced) => new()
    {
        ["state"] = forced.Word,
        ["until"] = Time(forced.Until),
        ["reason"] = forced.Reason,
        ["by"] = forced.By,
    };

    private static JsonObject Write(CircuitCaller caller, SharedCircuit circuit, DateTimeOffset now)
    {
        bool isOnTrial = circuit.State == CircuitState.HalfOpen;
        CallCounts calls = isOnTrial ? caller.Trials : caller.InWindow;
        JsonObject page = new()
        {
            ["id"] = caller.Reporter.Id,
            ["zone"] = caller.Reporter.Zone,
            ["calls"] = calls.Calls,
            ["failures"] = calls.Failures,
            ["slow"] = calls.Slow,
            ["failureRate"] = Rate(calls.FailureRate),
            ["slowRate"] = Rate(calls.SlowRate),
            ["epoch"] = caller.Epoch,
            ["reportedMillisecondsAgo"] = (long)(now - caller.ReportedAt).TotalMilliseconds,
            ["sick"] = circuit.Sick == caller.Reporter,
            ["callsNow"] = caller.CallsNow(now),
            ["load"] = double.IsFinite(caller.Load) ? Rate(caller.Load) : null,
        };
        if (isOnTrial)
        {
            page["prober"] = caller.IsProber;
            page["trials"] = caller.Quota;
        }

        return page;
    }

    private static double Rate(double percent) => Math.Round(percent, 1);

    private static string Time(DateTimeOffset time) => time.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'", System.Globalization.CultureInfo.InvariantCulture);
}
