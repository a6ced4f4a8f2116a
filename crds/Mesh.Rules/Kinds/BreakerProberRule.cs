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

    /// <summary>first-and-last (default), per-zone or random-n.</summary>
    public string? Mode { get; init; }

    /// <summary>How many with random-n.</summary>
    public int? Count { get; init; }

    internal static ObjectSchema<BreakerProberRule> Schema { get; } = new ObjectSchema<BreakerProberRule>()
        .Enum("mode", static (o, v) => o with { Mode = v },
            "first-and-last (default): the callers that registered first and last, so that a rolling replacement of all of them always leaves one. per-zone: one of each zone. random-n: so many by chance.",
            FirstAndLast, PerZone, RandomN)
        .Whole("count", static (o, v) => o with { Count = v },
            "How many with random-n. Default 2.", min: 1, max: 1000);
}
