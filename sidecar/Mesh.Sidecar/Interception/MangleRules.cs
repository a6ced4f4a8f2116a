using System.Globalization;
using Mesh.Proxy.Transport;
using Mesh.Sidecar.Options;

namespace Mesh.Sidecar.Interception;

/// <summary>
/// The mangle table of TPROXY mode, which brings inbound connections to the sidecar without a new destination: Istio's marks and order (semantics 9.2), in chains of
/// our own. In REDIRECT mode there is nothing of it. Pure.
/// </summary>
internal sealed class MangleRules(InitOptions options, bool isIPv6)
{
    /// <summary>Mark of packets that are for this machine whatever their destination: <see cref="MarkedRoute"/> brings them to loopback.</summary>
    public const uint InboundMark = InboundSource.ClientMark;

    /// <summary>Mark of what the sidecar sends to its own pod as a caller, the one thing on loopback that is led to the inbound side.</summary>
    private const uint OutboundMark = 1338;

    private const string Inbound = "MESH_INBOUND";
    private const string ToInbound = "MESH_TPROXY";
    private const string Divert = "MESH_DIVERT";
    private const string Outbound = "MESH_OUTPUT";
    private static readonly string[] Chains = [Inbound, ToInbound, Divert, Outbound];

    private readonly List<string> _rules = [];
    private readonly string _loopback = LoopbackAddress.Network(isIPv6);

    /// <summary>Text for <c>iptables-restore --noflush</c> that makes the table as asked; empty when it is.</summary>
    /// <param name="saved">What <c>iptables-save -t mangle</c> shows.</param>
    public string Apply(string saved)
    {
        _rules.Clear();
        if (!options.IsClean && options.Mode == InterceptionMode.Tproxy)
        {
            AddTargets();
            AddInbound();
            AddOutbound();
        }

        return TableText.Replace("mangle", Chains, saved, _rules);
    }

    private void AddTargets()
    {
        Add($"{Divert} -j MARK --set-mark {Text(InboundMark)}");
        Add($"{Divert} -j ACCEPT");
        Add($"{ToInbound} ! -d {_loopback} -p tcp -j TPROXY --on-port {Text(options.InboundPort)} --tproxy-mark {Text(InboundMark)}/0xffffffff");
    }

    private void AddInbound()
    {
        Add($"PREROUTING -p tcp -j {Inbound}");
        // A connection that was opened with the mark, in the name of a client, keeps it: its answers have to come back to loopback.
        Add($"{Inbound} -m mark --mark {Text(InboundMark)} -j CONNMARK --save-mark");
        Add($"{Inbound} -m mark --mark {Text(InboundMark)} -j RETURN");
        Add($"{Inbound} -i lo -s {LoopbackAddress.SourceOfSidecar(isIPv6)} -j RETURN"); // the sidecar on its way to the application
        Add($"{Inbound} -i lo -m mark ! --mark {Text(OutboundMark)} -j RETURN");
        foreach (string name in options.KubevirtInterfaces.Concat(options.ExcludeInterfaces))
        {
            Add($"{Inbound} -i {name} -j RETURN");
        }

        foreach (string port in NatRules.PortsLeftAlone(options))
        {
            Add($"{Inbound} -p tcp --dport {port} -j RETURN");
        }

        if (options.IncludeInboundPorts.IsEvery)
        {
            AddCapture("-p tcp");
        }

        foreach (string port in options.IncludeInboundPorts.Ranges)
        {
            AddCapture($"-p tcp --dport {port}");
        }
    }

    // What belongs to a connection has its socket; only a new one is given the sidecar's.
    private void AddCapture(string match)
    {
        Add($"{Inbound} {match} -m conntrack --ctstate RELATED,ESTABLISHED -j {Divert}");
        Add($"{Inbound} {match} -j {ToInbound}");
    }

    private void AddOutbound()
    {
        Add($"OUTPUT -p tcp -j {Outbound}");
        Add($"{Outbound} -m connmark --mark {Text(InboundMark)} -j CONNMARK --restore-mark");
        foreach (string owner in (string[])[$"--uid-owner {Text(options.ProxyUid)}", $"--gid-owner {Text(options.ProxyGid)}"])
        {
            // The application's call of its own service comes back through the sidecar.
            Add($"{Outbound} -o lo ! -d {_loopback} -p tcp ! --dport 15008 -m mark ! --mark {Text(InboundMark)} -m owner {owner} -j MARK --set-mark {Text(OutboundMark)}");
        }
    }

    private void Add(string rule) => _rules.Add(rule);

    private static string Text(long number) => number.ToString(CultureInfo.InvariantCulture);
}
