namespace Mesh.Proxy.Http1;

/// <summary>Hexadecimal digits.</summary>
internal static class HexDigit
{
    /// <summary>0 to 15, or -1 when <paramref name="b"/> is no digit.</summary>
    public static int Value(byte b) => b switch
    {
        >= (byte)'0' and <= (byte)'9' => b - '0',
        >= (byte)'a' and <= (byte)'f' => b - 'a' + 10,
        >= (byte)'A' and <= (byte)'F' => b - 'A' + 10,
        _ => -1,
    };
}
