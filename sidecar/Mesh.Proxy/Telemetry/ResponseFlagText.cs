namespace Mesh.Proxy.Telemetry;

/// <summary>Text of the response flags.</summary>
public static class ResponseFlagText
{
    private static readonly string[] Names = [.. Enum.GetValues<ResponseFlag>().Select(static f => f == ResponseFlag.None ? "-" : f.ToString())];

    /// <summary>Up to two flags in the order they were set, without duplicates: <c>-</c>, <c>UO</c>, <c>UF,URX</c>.</summary>
    public static string ToText(ResponseFlag first, ResponseFlag second = ResponseFlag.None) =>
        first == ResponseFlag.None ? Names[(int)second]
        : second == ResponseFlag.None || second == first ? Names[(int)first]
        : $"{Names[(int)first]},{Names[(int)second]}";
}
