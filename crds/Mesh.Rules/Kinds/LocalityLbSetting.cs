using System.Collections.Immutable;
using Mesh.Rules.Schema;

namespace Mesh.Rules.Kinds;

/// <summary>Locality weights and failover.</summary>
public sealed record LocalityLbSetting
{
    /// <summary>Explicit weights by origin.</summary>
    public ImmutableArray<LocalityDistribute> Distribute { get; init; } = [];

    /// <summary>Where a region fails over to.</summary>
    public ImmutableArray<LocalityFailover> Failover { get; init; } = [];

    /// <summary>Labels that order endpoints into priorities.</summary>
    public ImmutableArray<string> FailoverPriority { get; init; } = [];

    /// <summary>False switches locality load balancing off.</summary>
    public bool? Enabled { get; init; }

    internal static ObjectSchema<LocalityLbSetting> Schema { get; } = new ObjectSchema<LocalityLbSetting>()
        .List("distribute", LocalityDistribute.Schema, static (o, v) => o with { Distribute = v },
            "Explicit weights by origin.")
        .List("failover", LocalityFailover.Schema, static (o, v) => o with { Failover = v },
            "Where a region fails over to.")
        .List("failoverPriority", TextType.Any, static (o, v) => o with { FailoverPriority = v },
            "Labels that order endpoints into priorities.")
        .Flag("enabled", static (o, v) => o with { Enabled = v },
            "False switches locality load balancing off.");
}

/// <summary>Weights of one origin.</summary>
public sealed record LocalityDistribute
{
    /// <summary>Origin locality.</summary>
    public string? From { get; init; }

    /// <summary>Weight by target locality; the sum must be 100.</summary>
    public ImmutableSortedDictionary<string, int> To { get; init; } = ImmutableSortedDictionary<string, int>.Empty;

    internal static ObjectSchema<LocalityDistribute> Schema { get; } = new ObjectSchema<LocalityDistribute>()
        .Text("from", static (o, v) => o with { From = v },
            "Origin locality: region/zone/subzone.")
        .WholeMap("to", WholeType.Int32, static (o, v) => o with { To = v },
            "Weight by target locality; the sum must be 100.");
}

/// <summary>Failover of one region.</summary>
public sealed record LocalityFailover
{
    /// <summary>Origin region.</summary>
    public string? From { get; init; }

    /// <summary>Target region.</summary>
    public string? To { get; init; }

    internal static ObjectSchema<LocalityFailover> Schema { get; } = new ObjectSchema<LocalityFailover>()
        .Text("from", static (o, v) => o with { From = v },
            "Origin region.")
        .Text("to", static (o, v) => o with { To = v },
            "Target region.");
}

/// <summary>Zone-aware routing.</summary>
public sealed record ZoneAwareLbSetting
{
    /// <summary>Switches the setting.</summary>
    public bool? Enabled { get; init; }

    /// <summary>Fewest endpoints for it to act; default 6.</summary>
    public int? MinClusterSize { get; init; }

    internal static ObjectSchema<ZoneAwareLbSetting> Schema { get; } = new ObjectSchema<ZoneAwareLbSetting>()
        .Flag("enabled", static (o, v) => o with { Enabled = v },
            "Switches the setting.")
        .Whole("minClusterSize", static (o, v) => o with { MinClusterSize = v },
            "Fewest endpoints for it to act. Default 6.", min: 0);
}
