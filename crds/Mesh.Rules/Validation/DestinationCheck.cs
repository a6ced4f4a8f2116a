using Mesh.Rules.Kinds;
using Mesh.Rules.Schema;

namespace Mesh.Rules.Validation;

/// <summary>Checks of route destinations and their weights. Texts are Istio's where it has one.</summary>
internal static class DestinationCheck
{
    public static void Check(Destination? destination, Cursor at)
    {
        if (destination?.Host is not { } host)
        {
            return; // reported as missing
        }

        string? problem = host == "*" ? "invalid destination host *; name one service" : System.Net.IPAddress.TryParse(host, out _) ? null : HostName.CheckWildcard(host);
        if (problem is not null)
        {
            at.Field("host").Error(problem);
        }

        if (destination.Subset is { Length: > 0 } subset && !HostName.IsLowerLabel(subset))
        {
            at.Field("subset").Error($"subset name is invalid: {subset}");
        }
    }

    /// <summary>One destination gets everything; several need a share above 0 among them.</summary>
    public static void CheckWeights(IEnumerable<int?> weights, Cursor at)
    {
        int?[] all = [.. weights];
        if (all.Length > 1 && all.All(static w => w is null or 0))
        {
            at.Error("total destination weight = 0; give each destination its weight, such as 90 and 10");
        }
    }
}
