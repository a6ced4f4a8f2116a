using System.Globalization;
using System.Text;
using Mesh.Rules.Wire;

namespace Mesh.ControlPlane.Coordination;

/// <summary>Shared circuits in Prometheus' text format; nothing while there are none. Stateless.</summary>
internal static class CircuitMetrics
{
    private static readonly (string Name, string Type, string Help, Func<CircuitEntry, long> Value)[] Rows =
    [
        ("mesh_circuit_state", "gauge", "Shared circuits: 0 closed, 1 open, 2 half-open.", static c => (long)c.Circuit.State),
        ("mesh_circuit_forced", "gauge", "1 while somebody holds the state by hand.", static c => c.Circuit.Forced is null ? 0 : 1),
        ("mesh_circuit_callers", "gauge", "Callers that share the circuit.", static c => c.Circuit.Callers.Count),
        ("mesh_circuit_calls", "gauge", "Calls of all callers in the window, or of the trial.", static c => c.Circuit.Calls.Calls),
        ("mesh_circuit_failures", "gauge", "Failed ones among them.", static c => c.Circuit.Calls.Failures),
        ("mesh_circuit_number_trouble", "gauge", "1 while decisions have numbers of a time that has not come, or a caller names one that nobody can have given; the rule's status says which, and what to do.", static c => c.Said.IsAhead || c.Said.Unbelievable is not null ? 1 : 0),
        ("mesh_circuit_slow_calls", "gauge", "Slow ones among them.", static c => c.Circuit.Calls.Slow),
    ];

    /// <summary>Adds the rows.</summary>
    public static void Write(StringBuilder page, IReadOnlyCollection<CircuitEntry> circuits)
    {
        if (circuits.Count == 0)
        {
            return;
        }

        foreach ((string name, string type, string help, Func<CircuitEntry, long> value) in Rows)
        {
            Family(page, name, type, help);
            foreach (CircuitEntry circuit in circuits)
            {
                page.Append(CultureInfo.InvariantCulture, $"{name}{{{Labels(circuit)}}} {value(circuit)}\n");
            }
        }

        Family(page, "mesh_circuit_changes_total", "counter", "Times that a shared circuit came to that state.");
        foreach (CircuitEntry circuit in circuits)
        {
            foreach (CircuitState state in Enum.GetValues<CircuitState>())
            {
                page.Append(CultureInfo.InvariantCulture, $"mesh_circuit_changes_total{{{Labels(circuit)},to=\"{CircuitText.Of(state)}\"}} {circuit.Entered(state)}\n");
            }
        }

        Family(page, "mesh_circuit_sick_caller", "gauge", "1 for a caller that alone fails to call what the others can.");
        foreach (CircuitEntry circuit in circuits.Where(static c => c.Circuit.Sick is not null))
        {
            page.Append(CultureInfo.InvariantCulture, $"mesh_circuit_sick_caller{{{Labels(circuit)},caller=\"{Escape(circuit.Circuit.Sick!.Id)}\"}} 1\n");
        }
    }

    private static void Family(StringBuilder page, string name, string type, string help) => page.Append($"# HELP {name} {help}\n# TYPE {name} {type}\n");

    private static string Labels(CircuitEntry circuit) => $"rule=\"{Escape(circuit.Rule)}\",cluster=\"{Escape(circuit.Cluster)}\"";

    private static string Escape(string text) =>
        text.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\"", "\\\"", StringComparison.Ordinal).Replace("\n", "\\n", StringComparison.Ordinal);
}
