using System.Globalization;
using System.Text;
using Mesh.Proxy.Telemetry;
using Mesh.Rules.Snapshots;

namespace Mesh.Proxy.Routing;

/// <summary>
/// Routes of the outbound listener, indexed for lookup by authority: the exact host first, then the longest <c>*.suffix</c>, then <c>*</c>. Immutable; a lookup allocates nothing.
/// </summary>
public sealed class RouteTable
{
    private const int DefaultPort = 80;
    private readonly Dictionary<string, VirtualHost> _byDomain = new(StringComparer.Ordinal);
    private readonly bool _hasWildcards;

    /// <summary>Indexes <paramref name="config"/>: of two virtual hosts that claim one domain and port, the first has it.</summary>
    /// <param name="config">Virtual hosts.</param>
    /// <param name="stats">Where routes with a statPrefix count; null for nowhere.</param>
    public RouteTable(RouteConfig config, RouteStatsTable? stats = null)
    {
        Config = config;
        foreach (VirtualHost host in config.VirtualHosts.Select(h => new VirtualHost(h, stats)))
        {
            foreach (string domain in host.Config.Domains)
            {
                _byDomain.TryAdd(Key(domain.TrimEnd('.'), host.Config.Port), host);
                _hasWildcards |= domain.StartsWith('*');
            }
        }
    }

    /// <summary>What it was built from.</summary>
    public RouteConfig Config { get; }

    /// <summary>The virtual host for an authority (<c>name</c>, <c>name:port</c>), or null.</summary>
    internal VirtualHost? Find(ReadOnlySpan<byte> authority)
    {
        if (!HostPort.TryParse(authority, out HostPort parsed))
        {
            return null;
        }

        // One buffer holds "*." + host + ":port", so that a suffix lookup only moves its start.
        Span<char> buffer = stackalloc char[280];
        ReadOnlySpan<byte> host = authority[parsed.Host];
        host = host is [.., not (byte)'.', (byte)'.'] ? host[..^1] : host; // the absolute form of a DNS name means the same host
        Ascii.ToLower(host, buffer[2..], out int length);
        int end = 2 + length;
        buffer[end++] = ':';
        (parsed.Port == 0 ? DefaultPort : parsed.Port).TryFormat(buffer[end..], out int digits, provider: CultureInfo.InvariantCulture);
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
