using Mesh.Rules.Schema;

namespace Mesh.Rules.Kinds;

/// <summary>So many requests over so long a time: what a <see cref="RateLimit"/> lets through follows from what is left of both.</summary>
public sealed record RateLimitPlan
{
    /// <summary>Requests in each window.</summary>
    public int? Total { get; init; }

    /// <summary>Length of a window; null where the allowed hours are it.</summary>
    public TimeSpan? Window { get; init; }

    internal static ObjectSchema<RateLimitPlan> Schema { get; } = new ObjectSchema<RateLimitPlan>()
        .Whole("total", static (o, v) => o with { Total = v },
            "Requests that are let through in each window, evenly.", min: 1, max: Snapshots.PlanConfig.MostTotal)
            .Required("total is required: how many requests are to be let through in the window, such as 2400000")
        .Duration("window", static (o, v) => o with { Window = v },
            "Length of a window, such as 6h, of which a day is a whole number; windows follow each other from midnight UTC on. With allowedHours leave it out: those hours are the window.");
}
