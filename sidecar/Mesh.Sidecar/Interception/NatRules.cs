using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Mesh.Proxy.Transport;
using Mesh.Sidecar.Options;

namespace Mesh.Sidecar.Interception;

/// <summary>
/// The nat table that leads a pod's traffic through its sidecar: Istio's rules in Istio's order (semantics 9.2), in chains of our own. In TPROXY mode the mangle
/// table leads the inbound side. Pure.
/// </summary>
internal sealed class NatRules(InitOptions options, bool isIPv6)
{
    private const string Inbound = "MESH_INBOUND";
    private const string ToInbound = "MESH_IN_REDIRECT";
    private const string Outbound = "MESH_OUTPUT";
    private const string ToOutbound = "MESH_REDIRECT";
    private static readonly string[] Chains = [Inbound, ToInbound, Outbound, ToOutbound];

    // Metrics, health and the agent's pages are asked from outside and answered by the sidecar itself; 15008 is the mesh's own tunnel.
    private static readonly string[] OwnPorts = ["15008", "15090", "15021", "15020"];

    private readonly List<string> _rules = [];
    private readonly string _loopback = LoopbackAddress.Network(isIPv6);

    private bool IsTproxy => options.Mode == InterceptionMode.Tproxy;

    /// <summary>Inbound ports that are never led away: the sidecar's own, then the user's.</summary>
    public static IEnumerable<string> PortsLeftAlone(InitOptions options) => OwnPorts.Concat(options.ExcludeInboundPorts.Ranges);

    /// <summary>Text for <c>iptables-restore --noflush</c> that makes the table as asked; empty when it is.</summary>
    /// <param name="saved">What <c>iptables-save -t nat</c> shows.</param>
    public string Apply(string saved)
    {
        _rules.Clear();
        if (!options.IsClean)
        {
            AddInbound();
            AddOutbound();
        }

        return TableText.Replace("nat", Chains, saved, _rules);
    }

    private void AddInbound()
    {
        if (!IsTproxy)
        {
            Add($"{ToInbound} -p tcp -j REDIRECT --to-ports {Text(options.InboundPort)}");
        }
        else if (options.KubevirtInterfaces.IsEmpty)
        {
            return;
        }

        Add($"PREROUTING -p tcp -j {Inbound}");
        foreach (string name in options.KubevirtInterfaces)
        {
            Add($"{Inbound} -i {name} -p tcp -j {ToOutbound}"); // what comes from a guest is its outbound traffic
        }

        if (!IsTproxy)
        {
            AddInboundPorts();
        }
    }

    private void AddInboundPorts()
    {
        foreach (string name in options.ExcludeInterfaces)
        {
            Add($"{Inbound} -i {name} -j RETURN");
        }

        foreach (string port in PortsLeftAlone(options))
        {
            Add($"{Inbound} -p tcp --dport {port} -j RETURN");
        }

        if (options.IncludeInboundPorts.IsEvery)
        {
            Add($"{Inbound} -p tcp -j {ToInbound}");
        }

        foreach (string port in options.IncludeInboundPorts.Ranges)
        {
            Add($"{Inbound} -p tcp --dport {port} -j {ToInbound}");
        }
    }

    private void AddOutbound()
    {
        Add($"OUTPUT -j {Outbound}");
        Add($"{ToOutbound} -p tcp -j REDIRECT --to-ports {Text(options.OutboundPort)}");
        foreach (string name in options.ExcludeInterfaces)
        {
            Add($"{Outbound} -o {name} -j RETURN");
        }

        foreach (string port in options.ExcludeOutboundPorts.Ranges)
        {
            Add($"{Outbound} -p tcp --dport {port} -j RETURN");
            Add($"{Outbound} -p udp --dport {port} -j RETURN");
        }

        Add($"{Outbound} -o lo -s {LoopbackAddress.SourceOfSidecar(isIPv6)} -j RETURN"); // the sidecar on its way to the application
        AddOwner($"--uid-owner {Text(options.ProxyUid)}");
        AddOwner($"--gid-owner {Text(options.ProxyGid)}");
        Add($"{Outbound} -d {_loopback} -j RETURN");
        foreach (IPNetwork network in Networks(options.ExcludeOutboundRanges))
        {
            Add($"{Outbound} -d {network} -j RETURN");
        }

        foreach (string port in options.IncludeOutboundPorts.Ranges)
        {
            Add($"{Outbound} -p tcp --dport {port} -j {ToOutbound}");
        }

        if (options.IncludeOutboundRanges.IsEvery || options.IncludeOutboundPorts.IsEvery)
        {
            Add($"{Outbound} -p tcp -j {ToOutbound}");
        }

        foreach (IPNetwork network in Networks(options.IncludeOutboundRanges))
        {
            Add($"{Outbound} -d {network} -p tcp -j {ToOutbound}");
        }
    }

    // The application's call of its own service comes back through the sidecar; what else stays in the pod, and all of the sidecar's own, is let through.
    private void AddOwner(string owner)
    {
        if (!IsTproxy)
        {
            Add($"{Outbound} -o lo ! -d {_loopback} -p tcp ! --dport 15008 -m owner {owner} -j {ToInbound}");
        }

        Add($"{Outbound} -o lo -m owner ! {owner} -j RETURN");
        Add($"{Outbound} -m owner {owner} -j RETURN");
    }

    private IEnumerable<IPNetwork> Networks(AddressSet set) =>
        set.Networks.Where(n => n.BaseAddress.AddressFamily == (isIPv6 ? AddressFamily.InterNetworkV6 : AddressFamily.InterNetwork));

    private void Add(string rule) => _rules.Add(rule);

    private static string Text(long number) => number.ToString(CultureInfo.InvariantCulture);
}
