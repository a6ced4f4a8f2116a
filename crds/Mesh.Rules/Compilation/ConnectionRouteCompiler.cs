using System.Collections.Immutable;
using System.Net;
using Mesh.Rules.Kinds;
using Mesh.Rules.Reading;
using Mesh.Rules.Resolution;
using Mesh.Rules.Snapshots;

namespace Mesh.Rules.Compilation;

/// <summary>
/// The <c>tls</c> and <c>tcp</c> routes of virtual services → rows of a TCP listener, as one proxy has them: what concerns the proxy is decided here, once; server name
/// and addresses are left for the connection. As in Istio, <c>tls</c> is for ports with the protocol TLS or HTTPS, <c>tcp</c> for the rest.
/// </summary>
/// <param name="proxy">The calling proxy.</param>
/// <param name="table">Virtual services that it sees.</param>
/// <param name="compiler">Makes clusters of destinations.</param>
internal sealed class ConnectionRouteCompiler(ProxyIdentity proxy, VirtualServiceTable table, RouteCompiler compiler)
{
    private static readonly IPNetwork ThisMachine = new(new IPAddress([127, 0, 0, 0]), 8); // no redirected connection comes from there

    /// <summary>
    /// Rows of a listener that these services share: those of rules, then the names by which TLS services are told apart, then, with <paramref name="takesLocal"/>, the first
    /// service for clients of this machine.
    /// </summary>
    public ImmutableArray<ConnectionRouteConfig> Compile(IReadOnlyList<ServicePortModel> services, bool takesLocal)
    {
        List<ConnectionRouteConfig> rows = [];
        HashSet<(RuleKey Rule, bool IsTls)> compiled = [];
        foreach (ServicePortModel service in services)
        {
            if (table.Find(service.Host) is { } rule && compiled.Add((rule.Key, service.IsTls)))
            {
                rows.AddRange(service.IsTls ? Tls(rule, service.Port) : Tcp(rule, service.Port));
                AdviseOnProtocol(rule, service);
            }
        }

        // After the rules: of rows with one name the first counts.
        rows.AddRange(services.Where(static s => s.IsTls).Select(static s => Own(s) with { ServerName = s.Host }));
        if (takesLocal)
        {
            rows.Add(Own(services[0]) with { Caller = ThisMachine });
        }

        return [.. rows];
    }

    /// <summary>
    /// The route of tunnels to a service. Their client names the host in place of a server name, and an address of the service at most; null when no rule speaks of it.
    /// </summary>
    public HttpRouteConfig? Tunnel(ServicePortModel service, string virtualHost) => Compile([service], takesLocal: false)
        .Where(row => row.Source is not null && (row.ServerName.Length == 0 || HostMatch.Matches(row.ServerName, service.Host)))
        .Where(row => row.Destination is not { } block || service.Listeners.Any(address => AddressBlock.TryParse(address, out IPNetwork own) && block.Contains(own.BaseAddress)))
        .Where(static row => row.Caller is not { } callers || callers.Contains(IPAddress.Loopback))
        .OrderByDescending(static row => row.Destination?.PrefixLength ?? -1)
        .ThenBy(static row => row.ServerName.StartsWith('*'))
        .ThenByDescending(static row => row.ServerName.Length)
        .Select(row => new HttpRouteConfig { Name = virtualHost, Source = row.Source, Clusters = row.Clusters })
        .FirstOrDefault();

    private IEnumerable<ConnectionRouteConfig> Tls(RuleDocument rule, int port)
    {
        ImmutableArray<TlsRoute> routes = ((VirtualService)rule.Spec).Tls;
        for (int i = 0; i < routes.Length; i++)
        {
            TlsMatch[] matches = [.. routes[i].Match.Where(m => RouteMatchCompiler.IsFor(proxy, port, m.Port, m.SourceLabels, m.SourceNamespace, m.Gateways))];
            if (matches.Length > 0)
            {
                ConnectionRouteConfig row = Row(rule, $"spec.tls[{i}]", routes[i].Route, port);
                foreach ((TlsMatch match, string name) in matches.SelectMany(static m => m.SniHosts, static (m, name) => (m, name)))
                {
                    foreach (IPNetwork? destination in Blocks(match.DestinationSubnets))
                    {
                        yield return row with { ServerName = name.ToLowerInvariant(), Destination = destination };
                    }
                }
            }
        }
    }

    private IEnumerable<ConnectionRouteConfig> Tcp(RuleDocument rule, int port)
    {
        ImmutableArray<TcpRoute> routes = ((VirtualService)rule.Spec).Tcp;
        for (int i = 0; i < routes.Length; i++)
        {
            ConnectionMatch[] matches = routes[i].Match.IsEmpty
                ? [new ConnectionMatch()]
                : [.. routes[i].Match.Where(m => RouteMatchCompiler.IsFor(proxy, port, m.Port, m.SourceLabels, m.SourceNamespace, m.Gateways))];
            if (matches.Length > 0)
            {
                ConnectionRouteConfig row = Row(rule, $"spec.tcp[{i}]", routes[i].Route, port);
                foreach (ConnectionMatch match in matches)
                {
                    IPNetwork? caller = AddressBlock.TryParse(match.SourceSubnet, out IPNetwork block) ? block : null;
                    foreach (IPNetwork? destination in Blocks(match.DestinationSubnets))
                    {
                        yield return row with { Destination = destination, Caller = caller };
                    }

                    if (match.DestinationSubnets.IsEmpty && caller is null)
                    {
                        yield break; // nothing gets past it, as in Istio; else a later one with a narrower destination would
                    }
                }
            }
        }
    }

    private void AdviseOnProtocol(RuleDocument rule, ServicePortModel service)
    {
        VirtualService spec = (VirtualService)rule.Spec;
        (string list, string other, string protocols) = service.IsTls ? ("tcp", "tls", "another protocol than TLS and HTTPS") : ("tls", "tcp", "protocol TLS or HTTPS");
        if (service.IsTls ? spec.Tls.IsEmpty && !spec.Tcp.IsEmpty : spec.Tcp.IsEmpty && !spec.Tls.IsEmpty)
        {
            compiler.Findings.Add((rule.Key, RuleSetCheck.Warning(
                $"spec.{list}", $"{list} routes are for ports with {protocols}; port {service.Port} of '{service.Host}' has {(service.Protocol.Length > 0 ? service.Protocol : "none")}: write {other} routes, or change its protocol")));
        }
    }

    private static ConnectionRouteConfig Own(ServicePortModel service) => new() { Clusters = [new WeightedClusterConfig(ClusterCompiler.OutboundName(service.Host, service.Port))] };

    private ConnectionRouteConfig Row(RuleDocument rule, string path, ImmutableArray<RouteDestination> destinations, int port) => new()
    {
        Source = $"{rule.Key.Namespace}/{rule.Key.Name}#{path}",
        Clusters = compiler.Clusters(rule, destinations, path + ".route", port),
    };

    private static IEnumerable<IPNetwork?> Blocks(ImmutableArray<string> subnets) =>
        subnets.IsEmpty ? [null] : subnets.Select(static s => AddressBlock.TryParse(s, out IPNetwork block) ? block : (IPNetwork?)null).Where(static b => b is not null);
}
