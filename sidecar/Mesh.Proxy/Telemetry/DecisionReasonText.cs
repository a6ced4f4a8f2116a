using System.Text;

namespace Mesh.Proxy.Telemetry;

/// <summary>Text of the reasons, from the names of the enum, so that there is one list.</summary>
public static class DecisionReasonText
{
    private static readonly string[] Names = [.. Enum.GetValues<DecisionReason>().Select(static reason => SnakeCase(reason.ToString()))];

    /// <summary>The first word of <c>x-mesh-reason</c>: <c>pending_overflow</c>.</summary>
    public static string ToText(this DecisionReason reason) => Names[(int)reason];

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
