using System.Net;
using OptionRow = Mesh.Sidecar.Options.OptionRow<Mesh.Sidecar.Options.SidecarOptions>;
using Taken = Mesh.Sidecar.Options.Taken<Mesh.Sidecar.Options.SidecarOptions>;

namespace Mesh.Sidecar.Options;

/// <summary>Options of <c>run</c> that say which pod it stands in; <c>--pod</c> also changes the defaults of others.</summary>
internal static class PodOptionRows
{
    private const string AddressesText = "IP addresses with commas between, for example 10.0.0.7,fd00::7";

    /// <summary>The rows, in the order of the help.</summary>
    public static IReadOnlyList<OptionRow> All { get; } =
    [
        new("--pod", "NAME.NAMESPACE", "in place of --service and --app: the pod whose every port it stands in front of; listens as in a pod, traffic comes by rules of the kernel", TakePod),
        new("--pod-info", "DIR", "files labels and annotations of the pod (downward API)", static (o, v) => o with { PodInfo = v }),
        new("--pod-ips", "IPS", "addresses of the pod, by which its services are found; default: --app-address", TakeAddresses) { IstioVariable = "POD_IPS", TakesEmpty = true },
        new("--app-address", "IP", "with --pod: where its application is probed; default: the first of --pod-ips", TakeAddress) { IstioVariable = "POD_IP", TakesEmpty = true },
    ];

    private static Taken TakePod(SidecarOptions options, string value)
    {
        int dot = value.LastIndexOf('.'); // names of pods may have dots, namespaces have none
        return dot > 0 && value.Length <= 253 && OptionRows.IsLabel(value[(dot + 1)..]) && value[..dot].Split('.').All(OptionRows.IsLabel)
            ? options with { Pod = value[..dot], Namespace = value[(dot + 1)..], Node = value }
            : Taken.Wrong("NAME.NAMESPACE, for example orders-7d9c5b-x2x4q.shop");
    }

    private static Taken TakeAddresses(SidecarOptions options, string value)
    {
        string[] texts = value.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        return texts.All(static t => IPAddress.TryParse(t, out _))
            ? options with { PodIps = [.. texts.Select(IPAddress.Parse)] }
            : Taken.Wrong(AddressesText);
    }

    private static Taken TakeAddress(SidecarOptions options, string value) => value.Length == 0 ? options
        : IPAddress.TryParse(value, out IPAddress? address) ? options with { AppAddress = address }
        : Taken.Wrong("an IP address, for example 10.0.0.7");
}
