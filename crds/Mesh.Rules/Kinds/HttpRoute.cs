using System.Collections.Immutable;
using Mesh.Rules.Schema;

namespace Mesh.Rules.Kinds;

/// <summary>What becomes of the HTTP requests that match; exactly one of route, redirect, directResponse and delegate.</summary>
public sealed record HttpRoute
{
    /// <summary>Name for the access log.</summary>
    public string? Name { get; init; }

    /// <summary>Matches of which one must fit; empty fits every request.</summary>
    public ImmutableArray<HttpMatch> Match { get; init; } = [];

    /// <summary>Where requests go.</summary>
    public ImmutableArray<HttpRouteDestination> Route { get; init; } = [];

    /// <summary>Answer with another place.</summary>
    public HttpRedirect? Redirect { get; init; }

    /// <summary>Answer at once.</summary>
    public HttpDirectResponse? DirectResponse { get; init; }

    /// <summary>The routes of another virtual service decide.</summary>
    public RouteDelegate? Delegate { get; init; }

    /// <summary>Changes of path and authority.</summary>
    public HttpRewrite? Rewrite { get; init; }

    /// <summary>Time for all attempts together; unset is no limit.</summary>
    public TimeSpan? Timeout { get; init; }

    /// <summary>Retries; unset means Istio's default.</summary>
    public RetrySettings? Retries { get; init; }

    /// <summary>Faults for testing.</summary>
    public FaultInjection? Fault { get; init; }

    /// <summary>Where a copy of each request goes.</summary>
    public Destination? Mirror { get; init; }

    /// <summary>Where copies of requests go, each with its share.</summary>
    public ImmutableArray<MirrorSettings> Mirrors { get; init; } = [];

    /// <summary>Deprecated: use <see cref="MirrorPercentage"/>.</summary>
    public int? MirrorPercent { get; init; }

    /// <summary>Share of requests that <see cref="Mirror"/> gets; unset means all.</summary>
    public SharePercent? MirrorPercentage { get; init; }

    /// <summary>Cross-origin policy.</summary>
    public CorsPolicy? CorsPolicy { get; init; }

    /// <summary>Changes of header fields, before those of the destination.</summary>
    public HeaderSettings? Headers { get; init; }

    internal static ObjectSchema<HttpRoute> Schema { get; } = new ObjectSchema<HttpRoute>()
        .Text("name", static (o, v) => o with { Name = v },
            "Name for the access log.")
        .List("match", HttpMatch.Schema, static (o, v) => o with { Match = v },
            "Matches of which one must fit. Empty: every request.")
        .List("route", HttpRouteDestination.Schema, static (o, v) => o with { Route = v },
            "Where requests go.")
        .Field("redirect", HttpRedirect.Schema, static (o, v) => o with { Redirect = v },
            "Answer with another place.")
        .Field("directResponse", HttpDirectResponse.Schema, static (o, v) => o with { DirectResponse = v },
            "Answer at once.")
        .Field("delegate", RouteDelegate.Schema, static (o, v) => o with { Delegate = v },
            "A virtual service without hosts whose routes decide.")
        .Field("rewrite", HttpRewrite.Schema, static (o, v) => o with { Rewrite = v },
            "Changes of path and authority.")
        .Duration("timeout", static (o, v) => o with { Timeout = v },
            "Time for all attempts together. Unset: no limit.")
        .Field("retries", RetrySettings.Schema, static (o, v) => o with { Retries = v },
            "Retries. Unset: 2, where it is safe.")
        .Field("fault", FaultInjection.Schema, static (o, v) => o with { Fault = v },
            "Faults for testing.")
        .Field("mirror", Destination.Schema, static (o, v) => o with { Mirror = v },
            "Where a copy of each request goes.")
        .List("mirrors", MirrorSettings.Schema, static (o, v) => o with { Mirrors = v },
            "Where copies of requests go, each with its share.")
        .Whole("mirrorPercent", static (o, v) => o with { MirrorPercent = v },
            "Share of requests that mirror gets.", min: 0, max: 100, outOfRange: "percentage is out of 0..100 range")
            .Deprecated("deprecated; write mirrorPercentage with its value")
        .Field("mirrorPercentage", SharePercent.Schema, static (o, v) => o with { MirrorPercentage = v },
            "Share of requests that mirror gets. Default: all.")
        .Field("corsPolicy", CorsPolicy.Schema, static (o, v) => o with { CorsPolicy = v },
            "Cross-origin policy.")
        .Field("headers", HeaderSettings.Schema, static (o, v) => o with { Headers = v },
            "Changes of header fields, before those of the destination.");
}

/// <summary>Names a virtual service without hosts.</summary>
public sealed record RouteDelegate
{
    /// <summary>Its name.</summary>
    public string? Name { get; init; }

    /// <summary>Its namespace; default that of the rule.</summary>
    public string? Namespace { get; init; }

    internal static ObjectSchema<RouteDelegate> Schema { get; } = new ObjectSchema<RouteDelegate>()
        .Text("name", static (o, v) => o with { Name = v },
            "Name of the virtual service.")
            .Required("delegate name is required")
        .Text("namespace", static (o, v) => o with { Namespace = v },
            "Its namespace. Default: that of the rule.");
}
