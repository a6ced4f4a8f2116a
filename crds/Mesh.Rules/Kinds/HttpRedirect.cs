using Mesh.Rules.Schema;

namespace Mesh.Rules.Kinds;

/// <summary>Another place to ask.</summary>
public sealed record HttpRedirect
{
    /// <summary>Whole new path.</summary>
    public string? Uri { get; init; }

    /// <summary>Replaces the matched prefix; excludes <see cref="Uri"/>.</summary>
    public string? PrefixRewrite { get; init; }

    /// <summary>New authority.</summary>
    public string? Authority { get; init; }

    /// <summary>New port; excludes <see cref="DerivePort"/>.</summary>
    public int? Port { get; init; }

    /// <summary>FROM_PROTOCOL_DEFAULT or FROM_REQUEST_PORT.</summary>
    public string? DerivePort { get; init; }

    /// <summary>http or https.</summary>
    public string? Scheme { get; init; }

    /// <summary>Status code; default 301.</summary>
    public int? RedirectCode { get; init; }

    internal static ObjectSchema<HttpRedirect> Schema { get; } = new ObjectSchema<HttpRedirect>()
        .Text("uri", static (o, v) => o with { Uri = v },
            "Whole new path.")
        .Text("prefixRewrite", static (o, v) => o with { PrefixRewrite = v },
            "Replaces the matched prefix; excludes uri.")
        .Text("authority", static (o, v) => o with { Authority = v },
            "New authority.")
        .Port("port", static (o, v) => o with { Port = v },
            "New port; excludes derivePort.")
        .Enum("derivePort", static (o, v) => o with { DerivePort = v },
            "Where the port comes from.", "FROM_PROTOCOL_DEFAULT", "FROM_REQUEST_PORT")
        .Text("scheme", static (o, v) => o with { Scheme = v },
            "New scheme: http or https.")
        .Whole("redirectCode", static (o, v) => o with { RedirectCode = v },
            "Status code: 301, 302, 303, 307 or 308. Default 301.", min: 300, max: 399, outOfRange: "redirect code must be between 300 and 399");
}

/// <summary>An answer given at once.</summary>
public sealed record HttpDirectResponse
{
    /// <summary>Status code.</summary>
    public int? Status { get; init; }

    /// <summary>Body.</summary>
    public HttpBody? Body { get; init; }

    internal static ObjectSchema<HttpDirectResponse> Schema { get; } = new ObjectSchema<HttpDirectResponse>()
        .Whole("status", static (o, v) => o with { Status = v },
            "Status code.", min: 200, max: 600, outOfRange: "HTTP status is not in range 200..599")
            .Required("status is required: the status code to answer")
        .Field("body", HttpBody.Schema, static (o, v) => o with { Body = v },
            "Body. Default: empty.");
}

/// <summary>A body; one of the two.</summary>
public sealed record HttpBody
{
    /// <summary>As a text.</summary>
    public string? String { get; init; }

    /// <summary>As base64 of a text in UTF-8.</summary>
    public string? Bytes { get; init; }

    internal static ObjectSchema<HttpBody> Schema { get; } = new ObjectSchema<HttpBody>()
        .Text("string", static (o, v) => o with { String = v },
            "The body as a text.")
        .Text("bytes", static (o, v) => o with { Bytes = v },
            "The body in base64.");
}

/// <summary>Changes of path and authority.</summary>
public sealed record HttpRewrite
{
    /// <summary>Replaces the matched prefix, or the whole of an exactly matched path.</summary>
    public string? Uri { get; init; }

    /// <summary>New authority.</summary>
    public string? Authority { get; init; }

    /// <summary>Replaces what an expression finds in the path; excludes <see cref="Uri"/>.</summary>
    public RegexRewrite? UriRegexRewrite { get; init; }

    internal static ObjectSchema<HttpRewrite> Schema { get; } = new ObjectSchema<HttpRewrite>()
        .Text("uri", static (o, v) => o with { Uri = v },
            "Replaces the matched prefix, as plain text, or the whole of an exactly matched path.")
        .Text("authority", static (o, v) => o with { Authority = v },
            "New authority.")
        .Field("uriRegexRewrite", RegexRewrite.Schema, static (o, v) => o with { UriRegexRewrite = v },
            "Replaces what an expression finds in the path; excludes uri.");
}

/// <summary>A replacement by expression.</summary>
public sealed record RegexRewrite
{
    /// <summary>RE2 expression.</summary>
    public string? Match { get; init; }

    /// <summary>What replaces it; <c>\1</c> is the first group.</summary>
    public string? Rewrite { get; init; }

    internal static ObjectSchema<RegexRewrite> Schema { get; } = new ObjectSchema<RegexRewrite>()
        .Text("match", static (o, v) => o with { Match = v },
            "RE2 expression.")
        .Text("rewrite", static (o, v) => o with { Rewrite = v },
            "What replaces it; \\1 is the first group.");
}
