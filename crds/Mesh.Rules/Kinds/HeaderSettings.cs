using System.Collections.Immutable;
using Mesh.Rules.Schema;

namespace Mesh.Rules.Kinds;

/// <summary>Changes of header fields.</summary>
public sealed record HeaderSettings
{
    /// <summary>Of the request.</summary>
    public HeaderOperations? Request { get; init; }

    /// <summary>Of the response.</summary>
    public HeaderOperations? Response { get; init; }

    internal static ObjectSchema<HeaderSettings> Schema { get; } = new ObjectSchema<HeaderSettings>()
        .Field("request", HeaderOperations.Schema, static (o, v) => o with { Request = v },
            "Changes of the request.")
        .Field("response", HeaderOperations.Schema, static (o, v) => o with { Response = v },
            "Changes of the response.");
}

/// <summary>Changes in this order: set, add, remove.</summary>
public sealed record HeaderOperations
{
    /// <summary>Fields that replace what is there; <c>host</c> and <c>:authority</c> rewrite the authority.</summary>
    public ImmutableSortedDictionary<string, string> Set { get; init; } = ImmutableSortedDictionary<string, string>.Empty;

    /// <summary>Fields added to what is there.</summary>
    public ImmutableSortedDictionary<string, string> Add { get; init; } = ImmutableSortedDictionary<string, string>.Empty;

    /// <summary>Fields taken away.</summary>
    public ImmutableArray<string> Remove { get; init; } = [];

    internal static ObjectSchema<HeaderOperations> Schema { get; } = new ObjectSchema<HeaderOperations>()
        .TextMap("set", static (o, v) => o with { Set = v },
            "Fields that replace what is there; host rewrites the authority.")
        .TextMap("add", static (o, v) => o with { Add = v },
            "Fields added to what is there.")
        .List("remove", TextType.Any, static (o, v) => o with { Remove = v },
            "Fields taken away.");
}
