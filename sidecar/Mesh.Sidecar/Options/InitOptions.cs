using System.Collections.Immutable;
using System.Net;
using Mesh.Proxy.Transport;

namespace Mesh.Sidecar.Options;

/// <summary>What traffic of a pod goes through its sidecar: options of <c>init</c>. Excludes come before includes.</summary>
internal sealed record InitOptions
{
    /// <summary>How inbound connections come; the application's own calls always come by REDIRECT. Never <see cref="InterceptionMode.None"/>.</summary>
    public InterceptionMode Mode { get; init; } = InterceptionMode.Redirect;

    /// <summary>Port of the outbound listener.</summary>
    public int OutboundPort { get; init; } = 15001;

    /// <summary>Port of the inbound listener.</summary>
    public int InboundPort { get; init; } = 15006;

    /// <summary>User of the sidecar, whose own traffic is let through.</summary>
    public uint ProxyUid { get; init; } = 1337;

    /// <summary>Group of the sidecar.</summary>
    public uint ProxyGid { get; init; } = 1337;

    /// <summary>Inbound ports to capture.</summary>
    public PortSet IncludeInboundPorts { get; init; } = PortSet.Every;

    /// <summary>Inbound ports left alone, apart from the sidecar's own.</summary>
    public PortSet ExcludeInboundPorts { get; init; } = PortSet.None;

    /// <summary>Destinations to capture.</summary>
    public AddressSet IncludeOutboundRanges { get; init; } = AddressSet.Every;

    /// <summary>Destinations left alone.</summary>
    public AddressSet ExcludeOutboundRanges { get; init; } = AddressSet.None;

    /// <summary>Outbound ports to capture whatever their destination.</summary>
    public PortSet IncludeOutboundPorts { get; init; } = PortSet.None;

    /// <summary>Outbound ports left alone.</summary>
    public PortSet ExcludeOutboundPorts { get; init; } = PortSet.None;

    /// <summary>Interfaces whose traffic is left alone.</summary>
    public ImmutableArray<string> ExcludeInterfaces { get; init; } = [];

    /// <summary>Interfaces of virtual machines, whose inbound traffic is a guest's outbound one.</summary>
    public ImmutableArray<string> KubevirtInterfaces { get; init; } = [];

    /// <summary>Take the rules away instead.</summary>
    public bool IsClean { get; init; }

    /// <summary>Print the rules and change nothing.</summary>
    public bool IsDryRun { get; init; }
}

/// <summary>Ports and ranges of ports, in the words of iptables (<c>80</c>, <c>8000:8100</c>).</summary>
/// <param name="IsEvery">All ports.</param>
/// <param name="Ranges">The ranges otherwise.</param>
internal readonly record struct PortSet(bool IsEvery, ImmutableArray<string> Ranges)
{
    /// <summary>No port.</summary>
    public static PortSet None { get; } = new(false, []);

    /// <summary>All ports.</summary>
    public static PortSet Every { get; } = new(true, []);
}

/// <summary>Networks of both families.</summary>
/// <param name="IsEvery">All addresses.</param>
/// <param name="Networks">The networks otherwise.</param>
internal readonly record struct AddressSet(bool IsEvery, ImmutableArray<IPNetwork> Networks)
{
    /// <summary>No address.</summary>
    public static AddressSet None { get; } = new(false, []);

    /// <summary>All addresses.</summary>
    public static AddressSet Every { get; } = new(true, []);
}
