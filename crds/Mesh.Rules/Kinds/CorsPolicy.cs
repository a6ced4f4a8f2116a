using System.Collections.Immutable;
using Mesh.Rules.Schema;

namespace Mesh.Rules.Kinds;

/// <summary>Which pages of other origins may read the answers.</summary>
public sealed record CorsPolicy
{
    /// <summary>Deprecated: use <see cref="AllowOrigins"/>.</summary>
    public ImmutableArray<string> AllowOrigin { get; init; } = [];

    /// <summary>Origins that are allowed.</summary>
    public ImmutableArray<TextMatch> AllowOrigins { get; init; } = [];

    /// <summary>Methods that are allowed.</summary>
    public ImmutableArray<string> AllowMethods { get; init; } = [];

    /// <summary>Request header fields that are allowed.</summary>
    public ImmutableArray<string> AllowHeaders { get; init; } = [];

    /// <summary>Response header fields that pages may read.</summary>
    public ImmutableArray<string> ExposeHeaders { get; init; } = [];

    /// <summary>How long a preflight's answer may be kept; whole seconds.</summary>
    public TimeSpan? MaxAge { get; init; }

    /// <summary>Whether cookies may be sent.</summary>
    public bool? AllowCredentials { get; init; }

    /// <summary>FORWARD (default) or IGNORE.</summary>
    public string? UnmatchedPreflights { get; init; }

    internal static ObjectSchema<CorsPolicy> Schema { get; } = new ObjectSchema<CorsPolicy>()
        .List("allowOrigin", TextType.Any, static (o, v) => o with { AllowOrigin = v },
            "Origins that are allowed, whole or *.")
            .Deprecated("deprecated; write allowOrigins, for example - exact: https://example.com")
        .List("allowOrigins", TextMatch.Schema, static (o, v) => o with { AllowOrigins = v },
            "Origins that are allowed.")
        .List("allowMethods", TextType.Any, static (o, v) => o with { AllowMethods = v },
            "Methods that are allowed.")
        .List("allowHeaders", TextType.Any, static (o, v) => o with { AllowHeaders = v },
            "Request header fields that are allowed.")
        .List("exposeHeaders", TextType.Any, static (o, v) => o with { ExposeHeaders = v },
            "Response header fields that pages may read.")
        .Duration("maxAge", static (o, v) => o with { MaxAge = v },
            "How long a preflight's answer may be kept; whole seconds.", allowZero: true)
        .Flag("allowCredentials", static (o, v) => o with { AllowCredentials = v },
            "Whether cookies may be sent.")
        .Enum("unmatchedPreflights", static (o, v) => o with { UnmatchedPreflights = v },
            "What becomes of preflights from other origins. Default FORWARD.", "UNSPECIFIED", "FORWARD", "IGNORE");
}
