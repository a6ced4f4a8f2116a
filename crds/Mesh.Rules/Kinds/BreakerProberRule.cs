using Mesh.Rules.Schema;

namespace Mesh.Rules.Kinds;

/// <summary>Which callers try while a circuit that all share is half-open. Unset fields are null.</summary>
public sealed record BreakerProberRule
{
    /// <summary>Default value of <see cref="Mode"/>: the callers that registered first and last.</summary>
    public const string FirstAndLast = "first-and-last";

    /// <summary>Value of <see cref="Mode"/> for one caller of each zone.</summary>
    public const string PerZone = "per-zone";

    /// <summary>Value of <see cref="Mode"/> for <see cref="Count"/> callers by chance.</summary>
    public const string RandomN = "random-n";

    /// <summary>Value of <see cref="Mode"/> for the <see cref="Count"/> callers that are least busy.</summary>
    public const string LowestLoad = "lowest-load";

    /// <summary>first-and-last (default), per-zone, random-n or lowest-load.</summary>
    public string? Mode { get; init; }

    /// <summary>How many with random-n and lowest-load.</summary>
    public int? Count { get; init; }

    internal static ObjectSchema<BreakerProberRule> Schema { get; } = new ObjectSchema<BreakerProberRule>()
        .Enum("mode", static (o, v) => o with { Mode = v },
            "Chosen among the callers that have calls for the host now, else among all. first-and-last (default): those that registered first and last, so that a rolling replacement of all of them always leaves one. " +
            "per-zone: one of each zone. random-n: so many by chance. lowest-load: so many whose sidecars have the fewest requests in progress, to the application and from it, as their last reports say (about four seconds); " +
            "of equals the one that started first, and who was chosen before stays until others have less than half. It is no measure of CPU.",
            FirstAndLast, PerZone, RandomN, LowestLoad)
        .Whole("count", static (o, v) => o with { Count = v },
            "How many with random-n and lowest-load. Default 2.", min: 1, max: 1000);
}
