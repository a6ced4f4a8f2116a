namespace Mesh.Load.Running;

/// <summary>What to call, and how long and how hard.</summary>
public sealed record LoadOptions
{
    /// <summary>Address to call.</summary>
    public required Uri Url { get; init; }

    /// <summary>Method.</summary>
    public HttpMethod Method { get; init; } = HttpMethod.Get;

    /// <summary>Body, or null.</summary>
    public string? Body { get; init; }

    /// <summary>Content type of the body.</summary>
    public string ContentType { get; init; } = "application/x-www-form-urlencoded";

    /// <summary>Further headers; a <c>Host</c> here replaces that of the address.</summary>
    public IReadOnlyList<KeyValuePair<string, string>> Headers { get; init; } = [];

    /// <summary>HTTP proxy, or null. The environment's proxy is not used.</summary>
    public Uri? Proxy { get; init; }

    /// <summary>Closed loop: callers, each with one call at a time. Open loop: most calls at a time.</summary>
    public int Users { get; init; } = 1;

    /// <summary>The run ends after this time; null: by count alone.</summary>
    public TimeSpan? Duration { get; init; }

    /// <summary>The run ends after this many calls in total; null: by time alone.</summary>
    public long? Total { get; init; }

    /// <summary>Calls of each user; null: no such limit.</summary>
    public int? Repetitions { get; init; }

    /// <summary>Longest pause of a user between calls; each pause is random up to it.</summary>
    public TimeSpan Delay { get; init; }

    /// <summary>Arrivals a second, whatever the answers do; null: closed loop.</summary>
    public double? Rate { get; init; }

    /// <summary>A call without an answer after this time is an error.</summary>
    public TimeSpan Timeout { get; init; } = TimeSpan.FromSeconds(30);
}
