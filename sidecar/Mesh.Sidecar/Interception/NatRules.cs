using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Mesh.Sidecar.Options;

namespace Mesh.Sidecar.Interception;

/// <summary>
/// The nat table that leads a pod's traffic through its sidecar, as text for <c>iptables-restore --noflush</c>: Istio's rules in Istio's order (semantics 9.2),
/// in chains of our own. Pure. Of the chains that exist already only two rules are touched, so that nothing else in the table is lost.
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

    private readonly StringBuilder _text = new();
    private readonly string _loopback = isIPv6 ? "::1/128" : "127.0.0.1/32";

    /// <summary>Text that puts the rules in the place of those that <paramref name="saved"/> (of <c>iptables-save -t nat</c>) shows; the same again changes nothing.</summary>
    public string Apply(string saved)
    {
        Begin(saved);
        Array.ForEach(Chains, chain => Line($":{chain} - [0:0]")); // makes it, or empties it
        Add($"PREROUTING -p tcp -j {Inbound}");
        Add($"OUTPUT -j {Outbound}");
        Add($"{ToInbound} -p tcp -j REDIRECT --to-ports {Text(options.InboundPort)}");
        Add($"{ToOutbound} -p tcp -j REDIRECT --to-ports {Text(options.OutboundPort)}");
        AddInbound();
        AddOutbound();
        return End();
    }

    /// <summary>Text that takes them away; empty when <paramref name="saved"/> shows none.</summary>
    public string Remove(string saved)
    {
        string[] found = [.. Chains.Where(c => saved.Contains($":{c} ", StringComparison.Ordinal))];
        if (found.Length == 0)
        {
            return "";
        }

        Begin(saved);
        Array.ForEach(found, chain => Line($"-F {chain}"));
        Array.ForEach(found, chain => Line($"-X {chain}"));
        return End();
    }

    // A rule is added once: what an earlier run has left goes first, in the same transaction.
    private void Begin(string saved)
    {
        _text.Clear();
        Line("*nat");
        foreach (string line in saved.Split('\n'))
        {
            if (line.StartsWith("-A ", StringComparison.Ordinal) && !line.StartsWith("-A MESH_", StringComparison.Ordinal) &&
                Array.Exists(Chains, c => line.EndsWith($"-j {c}", StringComparison.Ordinal)))
            {
                Line($"-D {line[3..]}");
            }
        }
    }

    private string End()
    {
        Line("COMMIT");
        return _text.ToString();
    }

    private void AddInbound()
    {
        foreach (string name in options.KubevirtInterfaces)
        {
            Add($"{Inbound} -i {name} -p tcp -j {ToOutbound}"); // what comes from a guest is its outbound traffic
        }

        foreach (string name in options.ExcludeInterfaces)
        {
            Add($"{Inbound} -i {name} -j RETURN");
        }

        foreach (string port in OwnPorts.Concat(options.ExcludeInboundPorts.Ranges))
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
        foreach (string name in options.ExcludeInterfaces)
        {
            Add($"{Outbound} -o {name} -j RETURN");
        }

        foreach (string port in options.ExcludeOutboundPorts.Ranges)
        {
            Add($"{Outbound} -p tcp --dport {port} -j RETURN");
            Add($"{Outbound} -p udp --dport {port} -j RETURN");
        }

        Add($"{Outbound} -o lo -s {(isIPv6 ? "::6/128" : "127.0.0.6/32")} -j RETURN"); // the sidecar on its way to the application
        AddOwner($"--uid-owner {options.ProxyUid.ToString(CultureInfo.InvariantCulture)}");
        AddOwner($"--gid-owner {options.ProxyGid.ToString(CultureInfo.InvariantCulture)}");
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
        Add($"{Outbound} -o lo ! -d {_loopback} -p tcp ! --dport 15008 -m owner {owner} -j {ToInbound}");
        Add($"{Outbound} -o lo -m owner ! {owner} -j RETURN");
        Add($"{Outbound} -m owner {owner} -j RETURN");
    }

    private IEnumerable<IPNetwork> Networks(AddressSet set) =>
        set.Networks.Where(n => n.BaseAddress.AddressFamily == (isIPv6 ? AddressFamily.InterNetworkV6 : AddressFamily.InterNetwork));

    private void Add(string rule) => Line($"-A {rule}");

    private void Line(string line) => _text.Append(line).Append('\n');

    private static string Text(int number) => number.ToString(CultureInfo.InvariantCulture);
}
