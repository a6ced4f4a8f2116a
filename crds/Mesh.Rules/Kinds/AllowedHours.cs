using Mesh.Rules.Schema;

namespace Mesh.Rules.Kinds;

/// <summary>Hours of the day in which a <see cref="RateLimit"/> lets requests through.</summary>
public sealed record AllowedHours
{
    /// <summary>First minute, <c>HH:mm</c>.</summary>
    public string? From { get; init; }

    /// <summary>First minute that is too late, <c>HH:mm</c>; before <see cref="From"/> it is the next day's.</summary>
    public string? To { get; init; }

    /// <summary>Where: a name of the IANA database or an offset; null for UTC.</summary>
    public string? TimeZone { get; init; }

    internal static ObjectSchema<AllowedHours> Schema { get; } = new ObjectSchema<AllowedHours>()
        .Text("from", static (o, v) => o with { From = v },
            "First minute of the day, such as \"22:00\".")
            .Required("from is required: the first minute of the day, such as \"00:00\"")
        .Text("to", static (o, v) => o with { To = v },
            "First minute that is too late, such as \"06:00\"; one that is before from is the next day's. \"24:00\" is midnight.")
            .Required("to is required: the first minute that is too late, such as \"06:00\"")
        .Text("timeZone", static (o, v) => o with { TimeZone = v },
            "Where: a name of the IANA database, such as Asia/Seoul, or an offset, such as \"+09:00\". Default UTC.");
}
