using System.Net;
using Mesh.Proxy.Infrastructure;

namespace Mesh.Proxy.Upstream;

/// <summary>What is known of the request for which an endpoint is chosen. The default knows nothing.</summary>
/// <param name="Hash">Hash of what consistent hashing goes by; null when the request has none of it.</param>
/// <param name="Tried">Endpoints that earlier attempts of the request tried; null for a first attempt.</param>
/// <param name="LeftPriorities">Priorities that a retry does without, as long as another has somebody healthy; null for none.</param>
/// <param name="Client">TCP: who the connection has to be made for, because its first bytes will name them; null when any will do.</param>
/// <param name="Destination">Where the caller was going, and in whose name to go there; null when nobody knows. Only clusters of original destinations look at it.</param>
/// <param name="Target">The host that was asked for, <c>name:port</c> in lower case; null when nobody said. Only clusters that resolve on demand look at it.</param>
/// <param name="Luck">What breakers of single endpoints draw by while they recover, from 0 on, below 1; null for who does not ask them: an open endpoint serves it too, when there is no other.</param>
public readonly record struct PickContext(
    ulong? Hash = null,
    IReadOnlyList<Endpoint>? Tried = null,
    ClientAddresses? Client = null,
    IReadOnlyList<int>? LeftPriorities = null,
    IPEndPoint? Destination = null,
    string? Target = null,
    double? Luck = null)
{
    /// <summary>Goes by the IP of <paramref name="client"/>; its port does not count.</summary>
    public static PickContext OfSource(EndPoint? client)
    {
        if (client is not IPEndPoint { Address: IPAddress address })
        {
            return default;
        }

        Span<byte> text = stackalloc byte[64]; // as Envoy, the text of it
        (address.IsIPv4MappedToIPv6 ? address.MapToIPv4() : address).TryFormat(text, out int length);
        return new PickContext(XxHash64.Of(text[..length]));
    }
}
