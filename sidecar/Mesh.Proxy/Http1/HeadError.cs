namespace Mesh.Proxy.Http1;

/// <summary>Why a head is refused; the status that says so is <see cref="HeadErrors.StatusCode"/>.</summary>
internal enum HeadError : byte
{
    None,
    BadStartLine,
    UnsupportedVersion,
    TargetTooLong,
    BadPath,
    BadHeader,
    TooManyHeaders,
    HeadTooLarge,
    BadHost,
    BadFraming,
    BadCoding,
}

/// <summary>Status and wording of head errors.</summary>
internal static class HeadErrors
{
    /// <summary>The status for a client that sent such a head.</summary>
    public static int StatusCode(HeadError error) => error switch
    {
        HeadError.UnsupportedVersion => 505,
        HeadError.TargetTooLong => 414,
        HeadError.TooManyHeaders or HeadError.HeadTooLarge => 431,
        _ => 400,
    };

    /// <summary>Response code details for the access log, as Envoy names them where it does.</summary>
    public static string Details(HeadError error) => error switch
    {
        HeadError.BadStartLine => "http1.codec_error",
        HeadError.UnsupportedVersion => "http1.unsupported_version",
        HeadError.TargetTooLong => "http1.target_too_long",
        HeadError.BadPath => "path_normalization_failed",
        HeadError.BadHeader => "http1.invalid_header",
        HeadError.TooManyHeaders => "http1.too_many_headers",
        HeadError.HeadTooLarge => "http1.headers_too_large",
        HeadError.BadHost => "missing_host_header",
        HeadError.BadFraming => "http1.content_length_and_chunked_not_allowed",
        HeadError.BadCoding => "http1.invalid_transfer_encoding",
        _ => "",
    };
}
