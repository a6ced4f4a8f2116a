using System.Globalization;
using System.Text;
using Mesh.Rules.Snapshots;

namespace Mesh.Proxy.Routing;

/// <summary>
/// Routes of the outbound listener, indexed for lookup by authority: the exact host first, then the longest <c>*.suffix</c>, then <c>*</c>. Immutable; a lookup allocates nothing.
/// </summary>
public sealed class RouteTable
{
    private const int DefaultPort = 80;
    private readonly Dictionary<string, VirtualHostConfig> _byDomain = new(StringComparer.Ordinal);
    private readonly bool _hasWildcards;

    /// <summary>Indexes <paramref name="config"/>; of two virtual hosts that claim one domain and port, the first has it.</summary>
    public RouteTable(RouteConfig config)
    {
        Config = config;
        foreach (VirtualHostConfig host in config.VirtualHosts)
        {
            foreach (string domain in host.Domains)
            {
                _byDomain.TryAdd(Key(domain.TrimEnd('.'), host.Port), host);
                _hasWildcards |= domain.StartsWith('*');
            }
        }
    }

    /// <summary>What it was built from.</summary>
    public RouteConfig Config { get; }

    /// <summary>The virtual host for an authority (<c>name</c>, <c>name:port</c>), or null.</summary>
    public VirtualHostConfig? Find(ReadOnlySpan<byte> authority)
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
        Dictionary<string, VirtualHostConfig>.AlternateLookup<ReadOnlySpan<char>> lookup = _byDomain.GetAlternateLookup<ReadOnlySpan<char>>();
        return lookup.TryGetValue(buffer[2..end], out VirtualHostConfig? found) ? found : _hasWildcards ? FindSuffix(buffer[..end], lookup) : null;
    }

    private static VirtualHostConfig? FindSuffix(
        Span<char> key, Dictionary<string, VirtualHostConfig>.AlternateLookup<ReadOnlySpan<char>> lookup)
    {
        int at = 2;
        while (key[at..].IndexOf('.') is >= 0 and int dot)
        {
            at += dot;
            key[at - 1] = '*'; // overwrites the last letter of the label that the star stands for
            if (lookup.TryGetValue(key[(at - 1)..], out VirtualHostConfig? found))
            {
                return found;
            }

            at++;
        }

        // A bare star stands for every host of the port.
        int port = key.LastIndexOf(':');
        key[port - 1] = '*';
        return lookup.TryGetValue(key[(port - 1)..], out VirtualHostConfig? any) ? any : null;
    }

    private static string Key(string domain, int port) => string.Create(CultureInfo.InvariantCulture, $"{domain}:{port}");
}
