using System.Collections.Immutable;
using Mesh.Rules.Schema;

namespace Mesh.Rules.Kinds;

/// <summary>Where requests and connections to some hosts go (Istio's VirtualService spec). Unset fields are null.</summary>
public sealed record VirtualService
{
    /// <summary>Hosts as written; a short name means a service of the rule's own namespace. Empty: a delegate, to which routes of others refer.</summary>
    public ImmutableArray<string> Hosts { get; init; } = [];

    /// <summary>Gateways that obey it; <c>mesh</c>, also the default, means every sidecar.</summary>
    public ImmutableArray<string> Gateways { get; init; } = [];

    /// <summary>Routes of HTTP requests, the first match counts.</summary>
    public ImmutableArray<HttpRoute> Http { get; init; } = [];

    /// <summary>Routes of TLS connections that are passed on as they are.</summary>
    public ImmutableArray<TlsRoute> Tls { get; init; } = [];

    /// <summary>Routes of other connections.</summary>
    public ImmutableArray<TcpRoute> Tcp { get; init; } = [];

    /// <summary>Namespaces whose sidecars obey it: <c>.</c>, <c>*</c> or names; empty means all.</summary>
    public ImmutableArray<string> ExportTo { get; init; } = [];

    /// <summary>Whether routes of other virtual services refer to it instead of hosts.</summary>
    internal bool IsDelegate => Hosts.IsEmpty;

    internal static ObjectSchema<VirtualService> Schema { get; } = new ObjectSchema<VirtualService>()
        .List("hosts", TextType.Any, static (o, v) => o with { Hosts = v },
            "Hosts that are routed; a short name means a service of the rule's own namespace. Empty: a delegate.")
        .List("gateways", TextType.Any, static (o, v) => o with { Gateways = v },
            "Gateways that obey the rule. Default: mesh, which is every sidecar.")
        .List("http", HttpRoute.Schema, static (o, v) => o with { Http = v },
            "Routes of HTTP requests; the first that matches counts.")
        .List("tls", TlsRoute.Schema, static (o, v) => o with { Tls = v },
            "Routes of TLS connections by the server name that the client sends.")
        .List("tcp", TcpRoute.Schema, static (o, v) => o with { Tcp = v },
            "Routes of other connections; the first that matches counts.")
        .List("exportTo", TextType.Any, static (o, v) => o with { ExportTo = v },
            "Namespaces whose sidecars obey the rule: ., * or names. Empty: all.");
}
