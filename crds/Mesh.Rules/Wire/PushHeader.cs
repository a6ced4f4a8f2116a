using System.Collections.Immutable;
using Mesh.Rules.Reading;
using Mesh.Rules.Schema;

namespace Mesh.Rules.Wire;

/// <summary>The first document of a push as written on the wire, described by the same field tables as the rules.</summary>
internal sealed record PushHeader
{
    /// <summary>Value of <c>mesh:</c>; says that this is a push and not, for example, a rule file.</summary>
    public const string Mark = "push";

    public string Version { get; init; } = "";

    public bool IsFull { get; init; }

    public ImmutableArray<HeaderRule> RemovedRules { get; init; } = [];

    public ImmutableArray<HeaderService> Services { get; init; } = [];

    public ImmutableArray<string> RemovedServices { get; init; } = [];

    public ImmutableSortedDictionary<string, ImmutableArray<HeaderEndpoint>> Endpoints { get; init; } =
        ImmutableSortedDictionary<string, ImmutableArray<HeaderEndpoint>>.Empty;

    public static ObjectSchema<PushHeader> Schema { get; } = new ObjectSchema<PushHeader>()
        .Enum("mesh", static (o, _) => o, "Always push.", Mark)
            .Required("mesh: push is required; this text is no push")
        .Text("version", static (o, v) => o with { Version = v }, "Version of the push.")
            .Required("version is required, as the stream's id: line has it")
        .Flag("full", static (o, v) => o with { IsFull = v }, "True: what is not listed is gone.")
            .Required("full is required: true for the whole set, false for a delta")
        .List("removedRules", HeaderRule.Schema, static (o, v) => o with { RemovedRules = v }, "Rules that are gone.")
        .List("services", HeaderService.Schema, static (o, v) => o with { Services = v }, "Services, new or changed.")
        .List("removedServices", TextType.Any, static (o, v) => o with { RemovedServices = v }, "Hosts that are gone.")
        .Field("endpoints", new MapType<ImmutableArray<HeaderEndpoint>>(new ListType<HeaderEndpoint>(HeaderEndpoint.Schema)),
            static (o, v) => o with { Endpoints = v }, "Whole endpoint list of each host whose endpoints changed.");
}

/// <summary>Identity of a removed rule.</summary>
internal sealed record HeaderRule
{
    public RuleKey Key { get; init; } = new("", "", "");

    public static ObjectSchema<HeaderRule> Schema { get; } = new ObjectSchema<HeaderRule>()
        .Text("kind", static (o, v) => o with { Key = o.Key with { Kind = v } }, "Kind.").Required("kind is required")
        .Text("namespace", static (o, v) => o with { Key = o.Key with { Namespace = v } }, "Namespace.").Required("namespace is required")
        .Text("name", static (o, v) => o with { Key = o.Key with { Name = v } }, "Name.").Required("name is required");
}

/// <summary>A service.</summary>
internal sealed record HeaderService
{
    public MeshService Service { get; init; } = new("", "", []);

    public static ObjectSchema<HeaderService> Schema { get; } = new ObjectSchema<HeaderService>()
        .Text("host", static (o, v) => o with { Service = o.Service with { Host = v } }, "Host.").Required("host is required")
        .Text("namespace", static (o, v) => o with { Service = o.Service with { Namespace = v } }, "Namespace.").Required("namespace is required")
        .List("ports", HeaderPort.Schema, static (o, v) => o with { Service = o.Service with { Ports = [.. v.Select(static p => p.Port)] } }, "Ports.")
        .List("addresses", TextType.Any, static (o, v) => o with { Service = o.Service with { Addresses = v } }, "IPs of the service itself.");
}

/// <summary>A port of a service.</summary>
internal sealed record HeaderPort
{
    public MeshServicePort Port { get; init; } = new(0, "HTTP");

    public static ObjectSchema<HeaderPort> Schema { get; } = new ObjectSchema<HeaderPort>()
        .Whole("number", static (o, v) => o with { Port = o.Port with { Number = v } }, "1 to 65535.", min: 1, max: 65535)
            .Required("number is required")
        .Text("protocol", static (o, v) => o with { Port = o.Port with { Protocol = v } }, "HTTP, TCP or UNKNOWN.");
}

/// <summary>An endpoint.</summary>
internal sealed record HeaderEndpoint
{
    private static readonly MeshEndpoint Empty =
        new("", 0, ImmutableSortedDictionary.Create<string, string>(StringComparer.Ordinal), "", "", "");

    public MeshEndpoint Endpoint { get; init; } = Empty;

    public static ObjectSchema<HeaderEndpoint> Schema { get; } = new ObjectSchema<HeaderEndpoint>()
        .Text("address", static (o, v) => o with { Endpoint = o.Endpoint with { Address = v } }, "ip:port that peers dial.")
            .Required("address is required")
        .Whole("servicePort", static (o, v) => o with { Endpoint = o.Endpoint with { ServicePort = v } }, "Service port.", min: 1, max: 65535)
            .Required("servicePort is required")
        .TextMap("labels", static (o, v) => o with { Endpoint = o.Endpoint with { Labels = v } }, "Labels for subsets.")
        .Text("zone", static (o, v) => o with { Endpoint = o.Endpoint with { Zone = v } }, "Locality.")
        .Text("workload", static (o, v) => o with { Endpoint = o.Endpoint with { Workload = v } }, "Workload name.")
        .Text("version", static (o, v) => o with { Endpoint = o.Endpoint with { Version = v } }, "Version label.");
}
