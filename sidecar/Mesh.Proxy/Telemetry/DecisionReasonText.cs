using System.Text;

namespace Mesh.Proxy.Telemetry;

/// <summary>Text of reasons, scopes and verdicts, from the names of the enums, so that there is one list of each.</summary>
public static class DecisionReasonText
{
    private static readonly string[] Names = [.. Enum.GetValues<DecisionReason>().Select(static reason => SnakeCase(reason.ToString()))];

    private static readonly string[] Verdicts = [.. Enum.GetValues<DecisionVerdict>().Select(static verdict => SnakeCase(verdict.ToString()))];

    /// <summary>The first word of <c>x-mesh-reason</c>: <c>pending_overflow</c>.</summary>
    public static string ToText(this DecisionReason reason) => Names[(int)reason];

    /// <summary>The value of <c>scope</c>: <c>sidecar</c>.</summary>
    public static string ToText(this DecisionScope scope) => scope == DecisionScope.Mesh ? "mesh" : "sidecar";

    /// <summary>The word for a verdict: <c>refused</c>.</summary>
    public static string ToText(this DecisionVerdict verdict) => Verdicts[(int)verdict];

    private static string SnakeCase(string name)
    {
        StringBuilder text = new();
        foreach (char c in name)
        {
            text.Append(char.IsUpper(c) && text.Length > 0 ? "_" : "").Append(char.ToLowerInvariant(c));
        }

        return text.ToString();
    }
}
