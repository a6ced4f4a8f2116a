using System.Collections.Immutable;
using System.Net;
using Mesh.Rules.Kinds;
using Mesh.Rules.Resolution;
using Mesh.Rules.Schema;

namespace Mesh.Rules.Validation;

/// <summary>What no single field of a VirtualService can tell. Texts are Istio's where it has one.</summary>
internal static class VirtualServiceCheck
{
    private const string Mesh = "mesh";

    public static void Check(VirtualService rule, Cursor spec)
    {
        CheckHosts(rule, spec.Field("hosts"));
        CheckGateways(rule, spec.Field("gateways"));
        if (rule.Http.IsEmpty && rule.Tls.IsEmpty && rule.Tcp.IsEmpty)
        {
            spec.Error("http, tcp or tls must be provided in virtual service", DiagnosticCode.Required);
        }

        for (int i = 0; i < rule.Http.Length; i++)
        {
            HttpRouteCheck.Check(rule.Http[i], rule.IsDelegate, spec.Field("http").Item(i));
        }

        for (int i = 0; i < rule.Tls.Length; i++)
        {
            CheckTls(rule, rule.Tls[i], spec.Field("tls").Item(i));
        }

        for (int i = 0; i < rule.Tcp.Length; i++)
        {
            CheckTcp(rule.Tcp[i], spec.Field("tcp").Item(i));
        }

        UnreachableRouteCheck.Check(rule.Http, spec.Field("http"));
        UnreachableConnectionCheck.CheckTls(rule.Tls, spec.Field("tls"));
        UnreachableConnectionCheck.CheckTcp(rule.Tcp, spec.Field("tcp"));
        ExportToCheck.Check(rule.ExportTo, spec.Field("exportTo"));
    }

    private static void CheckHosts(VirtualService rule, Cursor at)
    {
        bool areValid = true;
        bool isForMesh = rule.Gateways.IsEmpty || rule.Gateways.Contains(Mesh);
        for (int i = 0; i < rule.Hosts.Length; i++)
        {
            string host = rule.Hosts[i];
            string? problem = host == "*" && isForMesh
                ? "wildcard host * is not allowed for virtual services bound to the mesh gateway; name the services"
                : IPAddress.TryParse(host, out _) ? null : HostName.CheckWildcard(host);
            if (problem is not null)
            {
                at.Item(i).Error(problem);
                areValid = false;
            }
        }

        for (int i = 0; areValid && i < rule.Hosts.Length; i++)
        {
            for (int j = i + 1; j < rule.Hosts.Length; j++)
            {
                if (Overlap(rule.Hosts[i].ToLowerInvariant(), rule.Hosts[j].ToLowerInvariant()))
                {
                    at.Item(j).Error($"duplicate hosts in virtual service: {rule.Hosts[i]} & {rule.Hosts[j]}");
                }
            }
        }
    }

    private static void CheckGateways(VirtualService rule, Cursor at)
    {
        if (rule.IsDelegate)
        {
            if (!rule.Gateways.IsEmpty)
            {
                at.Error("delegate virtual service must have no gateways specified; a virtual service without hosts is a delegate");
            }

            return;
        }

        for (int i = 0; i < rule.Gateways.Length; i++)
        {
            string[] parts = rule.Gateways[i].Split('/');
            if (parts.Length > 2 || parts.Any(static p => HostName.Check(p) is not null))
            {
                at.Item(i).Error($"{RuleNode.Quote(rule.Gateways[i])} is no gateway; write mesh (every sidecar), name or namespace/name");
            }
        }

        if (!rule.Gateways.IsEmpty && !rule.Gateways.Contains(Mesh))
        {
            at.Warn("no sidecar obeys this rule: it names gateways only; add mesh for traffic inside the mesh");
        }
    }

    private static void CheckTls(VirtualService rule, TlsRoute route, Cursor at)
    {
        if (rule.IsDelegate)
        {
            at.Error("delegate virtual service must have no tls routes; only http routes are delegated");
        }

        if (route.Match.IsEmpty)
        {
            at.Field("match").Error("TLS route must have at least one match condition", DiagnosticCode.Required);
        }

        for (int i = 0; i < route.Match.Length; i++)
        {
            (TlsMatch match, Cursor here) = (route.Match[i], at.Field("match").Item(i));
            CheckSubnets(match.DestinationSubnets, here.Field("destinationSubnets"));
            for (int j = 0; j < match.SniHosts.Length; j++)
            {
                string sni = match.SniHosts[j];
                Cursor name = here.Field("sniHosts").Item(j);
                if (HostName.CheckWildcard(sni) is { } problem)
                {
                    name.Error(problem);
                }
                else if (!rule.IsDelegate && !rule.Hosts.Any(host => Covers(host.ToLowerInvariant(), sni.ToLowerInvariant())))
                {
                    name.Error($"SNI host {RuleNode.Quote(sni)} is not a compatible subset of any of the virtual service hosts: [{string.Join(", ", rule.Hosts)}]");
                }
            }

            if (match.SniHosts.IsEmpty && here.Field("sniHosts").Node is { Kind: RuleNodeKind.List })
            {
                here.Field("sniHosts").Error("TLS match must have at least one SNI host", DiagnosticCode.Required);
            }
        }

        CheckDestinations(route.Route, "TLS", at.Field("route"));
    }

    private static void CheckTcp(TcpRoute route, Cursor at)
    {
        for (int i = 0; i < route.Match.Length; i++)
        {
            (ConnectionMatch match, Cursor here) = (route.Match[i], at.Field("match").Item(i));
            CheckSubnets(match.DestinationSubnets, here.Field("destinationSubnets"));
            if (!string.IsNullOrEmpty(match.SourceSubnet))
            {
                CheckSubnet(match.SourceSubnet, here.Field("sourceSubnet"));
            }
        }

        CheckDestinations(route.Route, "TCP", at.Field("route"));
    }

    private static void CheckDestinations(ImmutableArray<RouteDestination> all, string kind, Cursor at)
    {
        if (all.IsEmpty)
        {
            at.Error($"{kind} route is required", DiagnosticCode.Required);
        }

        for (int i = 0; i < all.Length; i++)
        {
            DestinationCheck.Check(all[i].Destination, at.Item(i).Field("destination"));
        }

        DestinationCheck.CheckWeights(all.Select(static d => d.Weight), at);
    }

    private static void CheckSubnets(ImmutableArray<string> subnets, Cursor at)
    {
        for (int i = 0; i < subnets.Length; i++)
        {
            CheckSubnet(subnets[i], at.Item(i));
        }
    }

    private static void CheckSubnet(string subnet, Cursor at)
    {
        if (!AddressBlock.TryParse(subnet, out _))
        {
            at.Error($"{RuleNode.Quote(subnet)} is neither an IP address nor a CIDR block; write for example 10.0.0.0/24");
        }
    }

    // Both may be wildcards: *.a.b lies within *.b.
    private static bool Covers(string pattern, string host) => pattern == host || HostMatch.Matches(pattern, host);

    private static bool Overlap(string a, string b) => Covers(a, b) || Covers(b, a);
}
