using System.Text;
using Mesh.Proxy.Telemetry;
using Mesh.Rules.Snapshots;

namespace Mesh.Proxy.Routing;

/// <summary>One route made ready to be followed. Immutable.</summary>
internal sealed class Route
{
    private readonly PathRewrite? _path;
    private readonly long _weights;

    /// <param name="config">What it was made from.</param>
    /// <param name="statsOf">Statistics for a statPrefix; null for none.</param>
    public Route(HttpRouteConfig config, Func<string, RouteStats?>? statsOf = null)
    {
        Config = config;
        _path = PathRewrite.Of(config.Rewrite);
        Cors = config.Cors is null ? null : new CorsPolicy(config.Cors);
        Targets = new RouteTarget[config.Clusters.Length];
        RequestPolicy? policy = RequestPolicy.Of(config.Retry, config.Timeout, config.Source);
        Nowhere = new RouteChoice(config.Name, null, policy);
        for (int i = 0; i < Targets.Length; i++)
        {
            _weights += config.Clusters[i].Weight;
            Targets[i] = new RouteTarget(config, config.Clusters[i], _weights, policy);
        }

        Matches = config.Matches.IsEmpty ? [new RouteMatch(this, new HttpMatchConfig(), null)] : [.. config.Matches.Select(m => new RouteMatch(this, m, m.StatPrefix is { } prefix ? statsOf?.Invoke(prefix) : null))];
        IsPlain = _path is null && config is { Cors: null, Fault: null, Redirect: null, DirectResponse: null, Mirrors.IsEmpty: true } &&
            Array.TrueForAll(Targets, static t => t is { Request: null, Response: null });
    }

    /// <summary>What it was made from.</summary>
    public HttpRouteConfig Config { get; }

    /// <summary>Its matches, at least one.</summary>
    public RouteMatch[] Matches { get; }

    /// <summary>Where it leads.</summary>
    public RouteTarget[] Targets { get; }

    /// <summary>The choice when it leads to no cluster.</summary>
    public RouteChoice Nowhere { get; }

    /// <summary>Cross-origin policy, or null.</summary>
    public CorsPolicy? Cors { get; }

    /// <summary>It does nothing but lead to clusters.</summary>
    public bool IsPlain { get; }

    /// <summary>Chooses by weight, with one draw; with none when there is nothing to choose. Null when it leads nowhere.</summary>
    public RouteTarget? Pick(Random random)
    {
        if (Targets.Length <= 1)
        {
            return Targets.Length == 0 ? null : Targets[0];
        }

        long drawn = random.NextInt64(_weights);
        int at = 0;
        while (Targets[at].WeightEnd <= drawn)
        {
            at++;
        }

        return Targets[at];
    }

    /// <summary>How <paramref name="request"/> goes to <paramref name="target"/>; null for as it came.</summary>
    public RequestEdits? Edit(in RequestView request, RouteMatch match, RouteTarget target) => _path?.Apply(request, match) is { } path
        ? (target.Request ?? new RequestEdits(null, null)) with { Target = path }
        : target.Request;
}

/// <summary>One of the places a route leads to. Immutable.</summary>
internal sealed class RouteTarget
{
    /// <param name="route">The route.</param>
    /// <param name="config">What it is made from.</param>
    /// <param name="weightEnd">Its weight and that of all before it.</param>
    /// <param name="policy">What the route says of time and retries.</param>
    public RouteTarget(HttpRouteConfig route, WeightedClusterConfig config, long weightEnd, RequestPolicy? policy)
    {
        Config = config;
        WeightEnd = weightEnd;
        Request = Of(HeaderEdits.Of(route.RequestHeaders, config.RequestHeaders), route.Rewrite?.Authority ?? config.Authority);
        Response = HeaderEdits.Of(route.ResponseHeaders, config.ResponseHeaders);
        Choice = new RouteChoice(route.Name, config.Cluster, policy, this);
    }

    /// <summary>What it is made from.</summary>
    public WeightedClusterConfig Config { get; }

    /// <summary>Name of the cluster.</summary>
    public string Cluster => Config.Cluster;

    /// <summary>Where requests that were drawn for it go.</summary>
    public RouteChoice Choice { get; }

    /// <summary>A draw below this, and not below the one before, means this one.</summary>
    public long WeightEnd { get; }

    /// <summary>Changes of requests, their path apart; null for none.</summary>
    public RequestEdits? Request { get; }

    /// <summary>Changes of answers; null for none.</summary>
    public HeaderEdits? Response { get; }

    // What cannot stand in a Host field is no authority.
    private static RequestEdits? Of(HeaderEdits? headers, string? authority)
    {
        byte[]? bytes = authority is null ? null : Encoding.UTF8.GetBytes(authority);
        bytes = bytes.AsSpan().ContainsAnyExceptInRange((byte)'!', (byte)'~') ? null : bytes;
        return headers is null && bytes is null ? null : new RequestEdits(headers, bytes);
    }
}
