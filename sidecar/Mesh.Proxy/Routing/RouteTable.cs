using System.Globalization;
using System.Net;
using System.Text;
using Mesh.Proxy.Telemetry;
using Mesh.Rules.Snapshots;

namespace Mesh.Proxy.Routing;

/// <summary>
/// Routes of the outbound listener, indexed for lookup by authority: the exact host first, then the longest <c>*.suffix</c>, then <c>*</c>. Immutable; finding a known host allocates nothing.
/// </summary>
public sealed class RouteTable
{
    private const int DefaultPort = 80;
    private readonly Dictionary<string, VirtualHost> _byDomain = new(StringComparer.Ordinal);
    private readonly AddressBlocks<VirtualHost> _blocks = new();
    private readonly HashSet<int> _ports = [];
    private readonly bool _hasWildcards;

    /// <summary>Indexes <paramref name="config"/>: of two virtual hosts that claim one domain and port, the first has it.</summary>
    /// <param name="config">Virtual hosts.</param>
    /// <param name="stats">Where routes with a statPrefix count; null for nowhere.</param>
    public RouteTable(RouteConfig config, RouteStatsTable? stats = null)
    {
        Config = config;
        foreach (VirtualHost host in config.VirtualHosts.Select(h => new VirtualHost(h, stats)))
        {
            if (!host.Config.IsTunnelOnly)
            {
                _ports.Add(host.Config.Port);
            }

            foreach (string domain in host.Config.Domains)
            {
                if (_blocks.TryAdd(domain, host.Config.Port, host))
                {
                    continue;
                }

                _byDomain.TryAdd(Key(domain.TrimEnd('.'), host.Config.Port), host);
                _hasWildcards |= domain.StartsWith('*');
            }
        }
    }

    /// <summary>What it was built from.</summary>
    public RouteConfig Config { get; }

    /// <summary>Whether HTTP is spoken on this port by anybody.</summary>
    internal bool HasPort(int port) => _ports.Contains(port);

    /// <summary>The virtual host for an authority (<c>name</c>, <c>name:port</c>), or null.</summary>
    internal VirtualHost? Find(ReadOnlySpan<byte> authority)
    {
        if (!HostPort.TryParse(authority, out HostPort parsed))
        {
            return null;
        }

        int port = parsed.Port == 0 ? DefaultPort : parsed.Port;
        return Find(authority[parsed.Host], port) ?? (_blocks.IsEmpty ? null : FindInBlock(authority[parsed.Host], port));
    }

    /// <summary>
    /// The virtual host of a request on a redirected connection, or null: by the name that it asks for on the port that was dialled, as Istio; then by the address that was
    /// dialled, the longest CIDR block last.
    /// </summary>
    internal VirtualHost? Find(ReadOnlySpan<byte> authority, IPEndPoint destination) =>
        (HostPort.TryParse(authority, out HostPort parsed) ? Find(authority[parsed.Host], destination.Port) : null)
        ?? _byDomain.GetValueOrDefault(destination.ToString())
        ?? _blocks.Find(destination);

    private VirtualHost? FindInBlock(ReadOnlySpan<byte> host, int port) =>
        IPAddress.TryParse(Encoding.ASCII.GetString(host), out IPAddress? address) ? _blocks.Find(new IPEndPoint(address, port)) : null;

    private VirtualHost? Find(ReadOnlySpan<byte> host, int port)
    {
        // One buffer holds "*." + host + ":port", so that a suffix lookup only moves its start.
        Span<char> buffer = stackalloc char[280];
        host = host is [.., not (byte)'.', (byte)'.'] ? host[..^1] : host; // the absolute form of a DNS name means the same host
        Ascii.ToLower(host, buffer[2..], out int length);
        int end = 2 + length;
        buffer[end++] = ':';
        port.TryFormat(buffer[end..], out int digits, provider: CultureInfo.InvariantCulture);
        end += digits;
        Dictionary<string, VirtualHost>.AlternateLookup<ReadOnlySpan<char>> lookup = _byDomain.GetAlternateLookup<ReadOnlySpan<char>>();
        return lookup.TryGetValue(buffer[2..end], out VirtualHost? found) ? found : _hasWildcards ? FindSuffix(buffer[..end], lookup) : null;
    }

    private static VirtualHost? FindSuffix(
        Span<char> key, Dictionary<string, VirtualHost>.AlternateLookup<ReadOnlySpan<char>> lookup)
    {
        int at = 2;
        while (key[at..].IndexOf('.') is >= 0 and int dot)
        {
            at += dot;
            key[at - 1] = '*'; // overwrites the last letter of the label that the star stands for
            if (lookup.TryGetValue(key[(at - 1)..], out VirtualHost? found))
            {
                return found;
            }

            at++;
        }

        // A bare star stands for every host of the port.
        int port = key.LastIndexOf(':');
        key[port - 1] = '*';
        return lookup.TryGetValue(key[(port - 1)..], out VirtualHost? any) ? any : null;
    }

    private static string Key(string domain, int port) => string.Create(CultureInfo.InvariantCulture, $"{domain}:{port}");
}
