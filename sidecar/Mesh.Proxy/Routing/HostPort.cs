using System.Buffers;
using System.Buffers.Text;
using System.Globalization;
using System.Text;

namespace Mesh.Proxy.Routing;

/// <summary>An authority taken apart: <c>name</c>, <c>name:port</c>, <c>1.2.3.4:80</c>, <c>[::1]:80</c>. User information is refused.</summary>
/// <param name="Host">Place of the host in the authority, brackets included.</param>
/// <param name="Port">Port; 0 when none is written.</param>
internal readonly record struct HostPort(Range Host, int Port)
{
    private static readonly SearchValues<byte> NameBytes = SearchValues.Create(
        "-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"u8);

    private static readonly SearchValues<byte> AddressBytes = SearchValues.Create(":.0123456789ABCDEFabcdef"u8);

    /// <summary>The port of an authority that names none.</summary>
    public const int DefaultPort = 80;

    /// <summary>The host and port that <paramref name="authority"/> names, as endpoints that are made on demand are identified; null when it names none.</summary>
    /// <param name="authority">Authority of a request, or a server name.</param>
    /// <param name="port">The port to go to; 0 is the one that it names.</param>
    public static string? TargetOf(ReadOnlySpan<byte> authority, int port)
    {
        if (!TryParse(authority, out HostPort parsed))
        {
            return null;
        }

        string host = Encoding.ASCII.GetString(authority[parsed.Host]).ToLowerInvariant().TrimEnd('.');
        return string.Create(CultureInfo.InvariantCulture, $"{host}:{(port > 0 ? port : parsed.Port == 0 ? DefaultPort : parsed.Port)}");
    }

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
