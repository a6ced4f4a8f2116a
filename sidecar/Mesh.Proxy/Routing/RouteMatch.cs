using Mesh.Proxy.Telemetry;
using Mesh.Rules.Snapshots;

namespace Mesh.Proxy.Routing;

/// <summary>One match of a route, made ready. Immutable; comparing allocates nothing. What costs least and decides most is looked at first.</summary>
/// <param name="route">The route that it leads to.</param>
/// <param name="config">What a request must look like.</param>
/// <param name="stats">Where requests that fit count; null for nowhere.</param>
internal sealed class RouteMatch(Route route, HttpMatchConfig config, RouteStats? stats)
{
    private readonly TextMatcher? _path = TextMatcher.Of(config.Path, config.IgnorePathCase);
    private readonly TextMatcher? _method = TextMatcher.Of(config.Method);
    private readonly TextMatcher? _authority = TextMatcher.Of(config.Authority);
    private readonly TextMatcher? _scheme = TextMatcher.Of(config.Scheme);
    private readonly NamedMatcher[] _headers = [.. config.Headers.Select(static h => new NamedMatcher(h))];
    private readonly NamedMatcher[] _parameters = [.. config.QueryParameters.Select(static p => new NamedMatcher(p))];

    /// <summary>The route.</summary>
    public Route Route => route;

    /// <summary>Name for the access log: that of the route, with the match's own behind it (as Istio).</summary>
    public string Name { get; } = config.Name is { } own ? $"{route.Config.Name}.{own}" : route.Config.Name;

    /// <summary>Where requests that fit count; null for nowhere.</summary>
    public RouteStats? Stats => stats;

    /// <summary>What turns most others away.</summary>
    public PathGate Gate { get; } = PathGate.Of(config.Path, config.IgnorePathCase);

    /// <summary>Whether the request fits.</summary>
    public bool Fits(in RequestView request)
    {
        if (_path?.Fits(request.Path) == false || _method?.Fits(request.Method) == false ||
            _authority?.Fits(request.Authority) == false || _scheme?.Fits(request.Scheme) == false)
        {
            return false;
        }

        foreach (NamedMatcher header in _headers)
        {
            if (!header.FitsHeader(request.Headers))
            {
                return false;
            }
        }

        foreach (NamedMatcher parameter in _parameters)
        {
            if (!parameter.FitsParameter(request))
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>Bytes of <paramref name="path"/> that a rewrite of the prefix replaces: the prefix, the whole of another match, the slash without one.</summary>
    public int MatchedLength(ReadOnlySpan<byte> path) => _path switch
    {
        null => Math.Min(1, path.Length),
        { Kind: StringMatchKind.Prefix } => _path.Length,
        _ => path.Length,
    };
}
