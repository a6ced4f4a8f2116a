using System.Collections.Immutable;
using System.Globalization;
using System.Net;
using Mesh.Proxy.Transport;
using OptionRow = Mesh.Sidecar.Options.OptionRow<Mesh.Sidecar.Options.InitOptions>;
using Taken = Mesh.Sidecar.Options.Taken<Mesh.Sidecar.Options.InitOptions>;

namespace Mesh.Sidecar.Options;

/// <summary>All options of <c>init</c>, named after the pod annotations that set them (semantics 9.3).</summary>
internal static class InitOptionRows
{
    private const string PortsText = "ports and ranges with commas between, for example 80,8000-8100, or *";
    private const string RangesText = "networks with commas between, for example 10.0.0.0/8,fd00::/8, or *";

    /// <summary>The rows, in the order of the help.</summary>
    public static IReadOnlyList<OptionRow> All { get; } =
    [
        new("--mode", "REDIRECT|TPROXY", "how inbound connections come to the sidecar (REDIRECT); TPROXY keeps the addresses of both ends", TakeMode),
        Ports("--include-inbound-ports", "inbound ports to capture (*)", static (o, p) => o with { IncludeInboundPorts = p }),
        Ports("--exclude-inbound-ports", "inbound ports left alone", static (o, p) => o with { ExcludeInboundPorts = p }),
        Ranges("--include-outbound-ip-ranges", "destinations to capture (*)", static (o, r) => o with { IncludeOutboundRanges = r }),
        Ranges("--exclude-outbound-ip-ranges", "destinations left alone", static (o, r) => o with { ExcludeOutboundRanges = r }),
        Ports("--include-outbound-ports", "outbound ports to capture wherever they lead", static (o, p) => o with { IncludeOutboundPorts = p }),
        Ports("--exclude-outbound-ports", "outbound ports left alone", static (o, p) => o with { ExcludeOutboundPorts = p }),
        Interfaces("--exclude-interfaces", "interfaces left alone", static (o, i) => o with { ExcludeInterfaces = i }),
        Interfaces("--kubevirt-interfaces", "interfaces of virtual machines", static (o, i) => o with { KubevirtInterfaces = i }),
        Port("--outbound-port", "outbound listener (15001)", static (o, p) => o with { OutboundPort = p }),
        Port("--inbound-port", "inbound listener (15006)", static (o, p) => o with { InboundPort = p }),
        Id("--proxy-uid", "user of the sidecar, never captured (1337)", static (o, i) => o with { ProxyUid = i }),
        Id("--proxy-gid", "group of the sidecar, never captured (1337)", static (o, i) => o with { ProxyGid = i }),
        Switch("--clean", "take the rules away again", static o => o with { IsClean = true }),
        Switch("--dry-run", "print what would be done, change nothing", static o => o with { IsDryRun = true }),
    ];

    private static Taken TakeMode(InitOptions options, string value) => value.ToUpperInvariant() switch
    {
        "REDIRECT" => options with { Mode = InterceptionMode.Redirect },
        "TPROXY" => options with { Mode = InterceptionMode.Tproxy },
        _ => Taken.Wrong("REDIRECT or TPROXY"),
    };

    private static OptionRow Ports(string name, string help, Func<InitOptions, PortSet, InitOptions> take) => new(
        name, "PORTS", help, (o, v) => TryPorts(v, out PortSet ports) ? take(o, ports) : Taken.Wrong(PortsText))
    { TakesEmpty = true };

    private static OptionRow Ranges(string name, string help, Func<InitOptions, AddressSet, InitOptions> take) => new(
        name, "CIDRS", help, (o, v) => TryRanges(v, out AddressSet ranges) ? take(o, ranges) : Taken.Wrong(RangesText))
    { TakesEmpty = true };

    private static OptionRow Interfaces(string name, string help, Func<InitOptions, ImmutableArray<string>, InitOptions> take) => new(
        name, "NAMES", help, (o, v) => Split(v) is { } names && names.All(IsInterface)
            ? take(o, [.. names]) : Taken.Wrong("names of interfaces with commas between, for example eth1,net1"))
    { TakesEmpty = true };

    private static OptionRow Port(string name, string help, Func<InitOptions, int, InitOptions> take) => new(
        name, "PORT", help, (o, v) => TryPort(v, out int port) ? take(o, port) : Taken.Wrong("a port from 1 to 65535"));

    private static OptionRow Id(string name, string help, Func<InitOptions, uint, InitOptions> take) => new(
        name, "ID", help, (o, v) => uint.TryParse(v, NumberStyles.None, CultureInfo.InvariantCulture, out uint id) ? take(o, id) : Taken.Wrong("a number, for example 1337"));

    private static OptionRow Switch(string name, string help, Func<InitOptions, InitOptions> take) => new(
        name, "", help, (o, v) => v switch
        {
            "true" => take(o),
            "false" => o,
            _ => Taken.Wrong("true or false, or nothing"),
        });

    private static string[] Split(string value) => value.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);

    private static bool TryPorts(string value, out PortSet ports)
    {
        ports = PortSet.Every;
        if (value == "*")
        {
            return true;
        }

        List<string> ranges = [];
        foreach (string one in Split(value))
        {
            string[] ends = one.Split(['-', ':']);
            if (ends.Length > 2 || !TryPort(ends[0], out int first) || !TryPort(ends[^1], out int last) || first > last)
            {
                return false;
            }

            ranges.Add(first == last ? Text(first) : $"{Text(first)}:{Text(last)}");
        }

        ports = new PortSet(false, [.. ranges]);
        return true;
    }

    private static bool TryRanges(string value, out AddressSet ranges)
    {
        ranges = AddressSet.Every;
        if (value == "*")
        {
            return true;
        }

        List<IPNetwork> networks = [];
        foreach (string one in Split(value))
        {
            bool isOne = IPAddress.TryParse(one, out IPAddress? address);
            IPNetwork network = isOne ? new IPNetwork(address!, address!.GetAddressBytes().Length * 8) : default;
            if (!isOne && !IPNetwork.TryParse(one, out network))
            {
                return false;
            }

            networks.Add(network);
        }

        ranges = new AddressSet(false, [.. networks]);
        return true;
    }

    // What the kernel allows as a name, and iptables' plus at its end for all that begin so.
    private static bool IsInterface(string name) => name.Length is > 0 and < 16 && name.All(static c => char.IsAsciiLetterOrDigit(c) || c is '.' or '_' or '-' or '@' or '+');

    private static bool TryPort(string text, out int port) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out port) && port is > 0 and <= 65535;

    private static string Text(int port) => port.ToString(CultureInfo.InvariantCulture);
}
