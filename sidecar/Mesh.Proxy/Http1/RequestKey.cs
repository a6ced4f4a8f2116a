using System.Net;
using System.Text;
using Mesh.Rules.Snapshots;

namespace Mesh.Proxy.Http1;

/// <summary>What a rate limit tells requests apart by. Stateless, allocates nothing.</summary>
internal static class RequestKey
{
    /// <summary>Room that an address needs.</summary>
    public const int AddressBytes = 16;

    /// <summary>The key of a request; empty for one that has none of it, which is a key too.</summary>
    /// <param name="config">What counts.</param>
    /// <param name="request">The request; the key is a part of its bytes, or of <paramref name="room"/>.</param>
    /// <param name="client">Who sent it.</param>
    /// <param name="room">At least <see cref="AddressBytes"/>.</param>
    public static ReadOnlySpan<byte> Of(RateLimitConfig config, RequestHead request, EndPoint? client, Span<byte> room) => config.KeySource switch
    {
        RateLimitKeySource.Header => OfHeader(request.Headers, config.KeyName),
        RateLimitKeySource.Cookie => TryCookie(request.Headers, config.KeyName, out ReadOnlySpan<byte> value) ? value : default,
        RateLimitKeySource.Path => PathList.WithoutQuery(request.Path),
        RateLimitKeySource.ClientIp => OfAddress((client as IPEndPoint)?.Address, room),
        _ => default,
    };

    /// <summary>Looks for a cookie; its value comes without quotation marks.</summary>
    public static bool TryCookie(HeaderBlock headers, string name, out ReadOnlySpan<byte> value)
    {
        for (int i = 0; i < headers.Count; i++)
        {
            if (!KnownHeaders.Is(headers.Name(i), "cookie"u8))
            {
                continue;
            }

            ReadOnlySpan<byte> all = headers.Value(i);
            foreach (Range part in all.Split((byte)';'))
            {
                ReadOnlySpan<byte> pair = all[part].Trim(" \t"u8);
                int equals = pair.IndexOf((byte)'=');
                if (equals > 0 && Ascii.Equals(pair[..equals], name))
                {
                    value = pair[(equals + 1)..].Trim((byte)'"');
                    return true;
                }
            }
        }

        value = default;
        return false;
    }

    private static ReadOnlySpan<byte> OfHeader(HeaderBlock headers, string name)
    {
        for (int i = 0; i < headers.Count; i++)
        {
            if (Ascii.EqualsIgnoreCase(headers.Name(i), name))
            {
                return headers.Value(i);
            }
        }

        return default;
    }

    // An IPv4 address is the same in either form: what makes it an IPv6 one are its first twelve bytes.
    private static ReadOnlySpan<byte> OfAddress(IPAddress? address, Span<byte> room)
    {
        if (address is null || !address.TryWriteBytes(room, out int length))
        {
            return default;
        }

        return address.IsIPv4MappedToIPv6 ? room[12..16] : room[..length];
    }
}
