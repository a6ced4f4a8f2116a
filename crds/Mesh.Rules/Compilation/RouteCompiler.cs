using System.Collections.Immutable;
using Mesh.Rules.Kinds;
using Mesh.Rules.Reading;
using Mesh.Rules.Resolution;
using Mesh.Rules.Snapshots;
using Mesh.Rules.Validation;

namespace Mesh.Rules.Compilation;

/// <summary>
/// Virtual service → routes of one virtual host, as one proxy has them (semantics 6). Destinations that do not exist are kept: their requests are answered 503 NC, as
/// the user's weights say, and a finding names them. Not thread-safe.
/// </summary>
/// <param name="proxy">The calling proxy.</param>
/// <param name="table">Virtual services that it sees.</param>
/// <param name="known">What destinations may name.</param>
/// <param name="resilience">Resilience policies.</param>
internal sealed class RouteCompiler(ProxyIdentity proxy, VirtualServiceTable table, KnownHosts known, HostPolicyTable resilience)
{
    private readonly List<(RuleKey Rule, Diagnostic Finding)> _findings = [];

    /// <summary>What is to be said about the rules compiled so far.</summary>
    public List<(RuleKey Rule, Diagnostic Finding)> Findings => _findings;

    /// <summary>Routes for requests to <paramref name="port"/>; empty when no route of the rule is for this proxy and port.</summary>
    public ImmutableArray<HttpRouteConfig> Compile(RuleDocument rule, string virtualHost, int port)
    {
        ImmutableArray<HttpRouteConfig>.Builder routes = ImmutableArray.CreateBuilder<HttpRouteConfig>();
        foreach (PlacedRoute placed in DelegateExpansion.Expand(rule, table, _findings))
        {
            if (RouteMatchCompiler.Compile(placed.Route.Match, proxy, port) is { } matches && Route(placed, matches, virtualHost, port) is { } route)
            {
                routes.Add(route);
                if (RouteMatchCompiler.IsCatchAll(matches))
                {
                    break; // nothing gets past it
                }
            }
        }

        return routes.ToImmutable();
    }

    /// <summary>Clusters by weight for connections; <paramref name="path"/> is the place of the list.</summary>
    public ImmutableArray<WeightedClusterConfig> Clusters(RuleDocument rule, ImmutableArray<RouteDestination> destinations, string path, int port) =>
        Weighted(destinations.Length, i => destinations[i].Weight, i => new WeightedClusterConfig(Cluster(destinations[i].Destination!, rule, $"{path}[{i}].destination", port)));

    private HttpRouteConfig? Route(PlacedRoute placed, ImmutableArray<HttpMatchConfig> matches, string virtualHost, int port)
    {
        HttpRoute route = placed.Route;
        HttpRouteConfig common = new()
        {
            Name = string.IsNullOrEmpty(route.Name) ? virtualHost : route.Name,
            Source = placed.Source,
            Matches = matches,
            ResponseHeaders = RouteParts.Headers(route.Headers?.Response),
            Cors = RouteParts.Cors(route.CorsPolicy),
        };
        if (route.Redirect is { } redirect)
        {
            return RouteParts.Redirect(redirect) is { } compiled ? common with { Redirect = compiled } : null;
        }

        if (route.DirectResponse is { } response)
        {
            return common with { DirectResponse = RouteParts.DirectResponse(response) };
        }

        RewriteConfig? rewrite = RouteParts.Rewrite(route);
        return common with
        {
            Clusters = Weighted(route.Route.Length, i => route.Route[i].Weight, i => Destination(placed, i, port, rewrite?.Authority is not null)),
            Rewrite = rewrite,
            RequestHeaders = RouteParts.Headers(route.Headers?.Request),
            Timeout = route.Timeout ?? TimeSpan.Zero,
            Retry = ResilienceCompiler.Apply(RetryCompiler.Compile(route.Retries, placed.Source), Resilience(placed, port, inShadow: false), Resilience(placed, port, inShadow: true)),
            Fault = RouteParts.Fault(route.Fault),
            Mirrors = Mirrors(placed, port),
        };
    }

    // Retries are the route's, not the destination's: of several destinations the one that gets most speaks for all.
    private RuleDocument? Resilience(PlacedRoute placed, int calledPort, bool inShadow)
    {
        if (placed.Route.Route.MaxBy(static d => d.Weight ?? 0)?.Destination is not { } destination)
        {
            return null;
        }

        string host = HostMatch.Expand(destination.Host ?? "", placed.Rule.Key.Namespace);
        int port = destination.Port?.Number ?? known.InferPort(host, calledPort);
        return resilience.Find(new PolicyTarget(proxy.Namespace, known.NamespaceOf(host), host, port, destination.Subset ?? ""), placed.Route.Name ?? "", inShadow);
    }

    private WeightedClusterConfig Destination(PlacedRoute placed, int index, int port, bool routeSetsAuthority)
    {
        HttpRouteDestination destination = placed.Route.Route[index];
        string? authority = RouteParts.Authority(destination.Headers);
        return new WeightedClusterConfig(Cluster(destination.Destination!, placed.Rule, $"{placed.Path}.route[{index}].destination", port))
        {
            Authority = routeSetsAuthority || string.IsNullOrEmpty(authority) ? null : authority,
            RequestHeaders = RouteParts.Headers(destination.Headers?.Request),
            ResponseHeaders = RouteParts.Headers(destination.Headers?.Response),
        };
    }

    // One destination gets all, whatever its weight; of several those without a share are left out.
    private static ImmutableArray<WeightedClusterConfig> Weighted(int count, Func<int, int?> weight, Func<int, WeightedClusterConfig> compile) => count == 1
        ? [compile(0)]
        : [.. Enumerable.Range(0, count).Where(i => weight(i) is > 0).Select(i => compile(i) with { Weight = weight(i)!.Value })];

    private ImmutableArray<MirrorConfig> Mirrors(PlacedRoute placed, int port)
    {
        HttpRoute route = placed.Route;
        List<MirrorConfig> mirrors = [];
        if (route.Mirror is { } single)
        {
            double share = route.MirrorPercentage is { } written ? written.Value ?? 0 : route.MirrorPercent ?? 100;
            mirrors.Add(new MirrorConfig(Cluster(single, placed.Rule, $"{placed.Path}.mirror", port), share));
        }

        for (int i = 0; i < route.Mirrors.Length; i++)
        {
            double share = route.Mirrors[i].Percentage is { } written ? written.Value ?? 0 : 100;
            mirrors.Add(new MirrorConfig(Cluster(route.Mirrors[i].Destination!, placed.Rule, $"{placed.Path}.mirrors[{i}].destination", port), share));
        }

        return [.. mirrors.Where(static m => m.Percent > 0)];
    }

    private string Cluster(Destination destination, RuleDocument rule, string path, int calledPort)
    {
        string host = HostMatch.Expand(destination.Host ?? "", rule.Key.Namespace);
        string subset = destination.Subset ?? "";
        int port = destination.Port?.Number ?? known.InferPort(host, calledPort);
        if (known.FindProblem(host, port, subset) is { } problem)
        {
            _findings.Add((rule.Key, RuleSetCheck.Warning(path, $"{problem}; what is sent there is answered 503 (NC, no cluster)")));
        }

        return ClusterCompiler.OutboundName(host, port, subset);
    }
}
