using System.Globalization;
using System.Text;
using Mesh.Proxy.Infrastructure;
using Mesh.Proxy.Routing;
using Mesh.Proxy.Upstream;
using Mesh.Rules.Snapshots;

namespace Mesh.Proxy.Http1;

// Consistent hashing: the key of a request, and the cookie for a client that has none.
internal sealed partial class Http1Exchange
{
    private byte[]? _newCookie; // value of a set-cookie field for the answer

    private PickContext PickFor(ClusterConfig config) => config.Hash is { } by ? PickBy(by)
        : config.UsesOriginalDestination ? new PickContext(Destination: Side.Destination ?? Router.AddressOf(context, _request.Authority))
        : config.Dns == DnsDiscovery.Dynamic ? new PickContext(Target: HostPort.TargetOf(_request.Authority, Port(config)))
        : default;

    // The rule's port, else the one that was dialled, else the one that the request names.
    private int Port(ClusterConfig config) => config.OnDemandPort > 0 ? config.OnDemandPort : Side.Destination?.Port ?? 0;

    private PickContext PickBy(HashConfig by)
    {
        ulong? key = RequestHash.Of(by, _request, Down.RemoteEndPoint);
        if (key is null && by.CookieAttributes is { } attributes)
        {
            string value = context.Runtime.Random.NextInt64(long.MaxValue).ToString("x16", CultureInfo.InvariantCulture);
            key = XxHash64.Of(Encoding.ASCII.GetBytes(value)); // what the next request will bring, so that it goes to the same endpoint
            _newCookie = Encoding.Latin1.GetBytes($"{by.Name}={value}{attributes}");
        }

        return new PickContext(key);
    }
}
