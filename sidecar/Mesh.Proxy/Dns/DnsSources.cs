using System.Collections.Immutable;
using System.Net;

namespace Mesh.Proxy.Dns;

/// <summary>
/// Where the machine says names are looked up: its nameservers and its hosts file, read for each question, so a change of either is seen. No search list: names are
/// taken as fully qualified, as rules write them.
/// </summary>
/// <param name="Server">The only server to ask; null for those of <paramref name="ResolvConf"/>.</param>
/// <param name="ResolvConf">Path of resolv.conf.</param>
/// <param name="Hosts">Path of the hosts file.</param>
public sealed record DnsSources(IPEndPoint? Server = null, string ResolvConf = "/etc/resolv.conf", string Hosts = "/etc/hosts")
{
    private const int Port = 53;
    private const int MaxServers = 3; // as the system's own resolver

    /// <summary>Servers in the order in which they are asked.</summary>
    public ImmutableArray<IPEndPoint> Servers()
    {
        if (Server is not null)
        {
            return [Server];
        }

        ImmutableArray<IPEndPoint> found =
        [
            .. Lines(ResolvConf).Where(static words => words is ["nameserver", _, ..])
                .Select(static words => IPAddress.TryParse(words[1], out IPAddress? address) ? new IPEndPoint(address, Port) : null)
                .OfType<IPEndPoint>().Take(MaxServers),
        ];
        return found.IsEmpty ? [new IPEndPoint(IPAddress.Loopback, Port)] : found;
    }

    /// <summary>Addresses of both families that the hosts file has for the name; empty when it does not know it.</summary>
    public ImmutableArray<IPAddress> FindInHosts(string name) =>
    [
        .. Lines(Hosts).Where(words => words.Skip(1).Contains(name, StringComparer.OrdinalIgnoreCase))
            .Select(static words => IPAddress.TryParse(words[0], out IPAddress? address) ? address : null)
            .OfType<IPAddress>().Distinct(),
    ];

    // A file that is not there says nothing.
    private static IEnumerable<string[]> Lines(string path)
    {
        string[] lines;
        try
        {
            lines = File.ReadAllLines(path);
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            lines = [];
        }

        return lines.Select(static line => line.Split('#', ';')[0].Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries));
    }
}
