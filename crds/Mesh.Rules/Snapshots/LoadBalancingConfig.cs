namespace Mesh.Rules.Snapshots;

/// <summary>What consistent hashing goes by.</summary>
public enum HashKeySource
{
    /// <summary>A request header.</summary>
    Header,

    /// <summary>A cookie.</summary>
    Cookie,

    /// <summary>The caller's IP, without its port.</summary>
    SourceIp,

    /// <summary>A query parameter, as it stands in the target.</summary>
    QueryParameter,
}

/// <summary>Consistent hashing (semantics 8.2): requests with the same key go to the same endpoint. Without the key the choice is random.</summary>
public sealed record HashConfig
{
    /// <summary>What is hashed.</summary>
    public required HashKeySource Source { get; init; }

    /// <summary>Name of the header, cookie or parameter; empty for an IP.</summary>
    public string Name { get; init; } = "";

    /// <summary>Cookies only: the attributes of a cookie that is generated when the request has none, ready to follow its value; null: it is only read.</summary>
    public string? CookieAttributes { get; init; }

    /// <summary>Entries of the Maglev table, a prime; 0 means that a ring is used.</summary>
    public int MaglevTableSize { get; init; }

    /// <summary>Fewest entries of the ring.</summary>
    public long MinimumRingSize { get; init; } = 1024;
}

/// <summary>Slow start (semantics 8.5): the share of a new endpoint grows from a minimum to its whole weight.</summary>
/// <param name="Window">How long it takes.</param>
/// <param name="MinimumPercent">Share at the start, in percent of the weight.</param>
/// <param name="Aggression">1 grows evenly, more grows faster at the start.</param>
public sealed record WarmupConfig(TimeSpan Window, double MinimumPercent = 10, double Aggression = 1);
