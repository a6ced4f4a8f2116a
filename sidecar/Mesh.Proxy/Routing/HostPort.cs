using System.Buffers;
using System.Buffers.Text;

namespace Mesh.Proxy.Routing;

/// <summary>An authority taken apart: <c>name</c>, <c>name:port</c>, <c>1.2.3.4:80</c>, <c>[::1]:80</c>. User information is refused.</summary>
/// <param name="Host">Place of the host in the authority, brackets included.</param>
/// <param name="Port">Port; 0 when none is written.</param>
internal readonly record struct HostPort(Range Host, int Port)
{
    private static readonly SearchValues<byte> NameBytes = SearchValues.Create(
        "-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"u8);

    private static readonly SearchValues<byte> AddressBytes = SearchValues.Create(":.0123456789ABCDEFabcdef"u8);

    /// <summary>Takes <paramref name="authority"/> apart; false when it is none.</summary>
    public static bool TryParse(ReadOnlySpan<byte> authority, out HostPort result)
    {
        result = default;
        if (authority.Length is 0 or > 261)
        {
            return false;
        }

        int hostEnd;
        if (authority[0] == '[')
        {
            hostEnd = authority.IndexOf((byte)']') + 1;
            if (hostEnd < 4 || authority[1..(hostEnd - 1)].ContainsAnyExcept(AddressBytes))
            {
                return false;
            }
        }
        else
        {
            int colon = authority.IndexOf((byte)':');
            hostEnd = colon < 0 ? authority.Length : colon;
            if (hostEnd is 0 or > 255 || authority[..hostEnd].ContainsAnyExcept(NameBytes))
            {
                return false;
            }
        }

        int port = 0;
        if (hostEnd < authority.Length)
        {
            ReadOnlySpan<byte> digits = authority[(hostEnd + 1)..];
            if (authority[hostEnd] != ':' || digits.Length is 0 or > 5 || digits.ContainsAnyExceptInRange((byte)'0', (byte)'9') ||
                !Utf8Parser.TryParse(digits, out port, out _) || port is 0 or > 65535)
            {
                return false;
            }
        }

        result = new HostPort(..hostEnd, port);
        return true;
    }
}
