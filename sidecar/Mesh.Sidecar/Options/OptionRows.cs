using System.Collections.Immutable;
using System.Globalization;
using System.Net;
using Mesh.Proxy.Telemetry;
using Mesh.Proxy.Transport;
using Mesh.Sidecar.Agent;
using OptionRow = Mesh.Sidecar.Options.OptionRow<Mesh.Sidecar.Options.SidecarOptions>;
using Taken = Mesh.Sidecar.Options.Taken<Mesh.Sidecar.Options.SidecarOptions>;

namespace Mesh.Sidecar.Options;

/// <summary>All options of <c>run</c>. The one table: parsing, environment variables and help read it.</summary>
internal static class OptionRows
{
    private static readonly TimeSpan LongestTime = TimeSpan.FromHours(24);
    private const string AddressText = "IP:PORT, for example 127.0.0.1:0";

    /// <summary>The rows, in the order of the help.</summary>
    public static IReadOnlyList<OptionRow> All { get; } =
    [
        new("--service", "NAME[.NAMESPACE][:PORT]", "service of the application; namespace default, port as that of --app", TakeService),
        new("--app", "HOST:PORT", "where the application listens", TakeApp),
        .. PodOptionRows.All,
        new("--control-plane", "URL[,URL…]", "control plane to register at and take rules from; of several replicas one at a time, the next when it fails", TakeControlPlane),
        new("--control-plane-ca", "FILE", "PEM file of the only roots to trust for it, read anew when it changes; default: the system's", static (o, v) => o with { ControlPlaneCa = v }),
        new("--control-plane-token", "FILE", "file with the token to show it, read anew when it changes; over https, or on this machine", static (o, v) => o with { ControlPlaneToken = v }),
        new("--rules", "FILE_OR_DIR", "take rules from here instead; changes are picked up", static (o, v) => o with { Rules = v }),
        new("--node", "ID", "id of this sidecar; default: the control plane chooses", TakeNode),
        new("--state", "DIR", "folder for the last good rules; used when the control plane cannot be reached", static (o, v) => o with { State = v }),
        new("--credentials", "DIR", "folder with the secrets that rules name: NAME/ca.crt, tls.crt, tls.key (/etc/mesh/credentials)", static (o, v) => o with { Credentials = v }),
        Address("--outbound", "listener for calls of the application", static (o, a) => o with { Outbound = a }),
        Address("--inbound", "listener in front of the application", static (o, a) => o with { Inbound = a }),
        new("--admin", "IP:PORT", "admin pages, loopback only (127.0.0.1:15000)", TakeAdmin),
        Address("--health", "readiness, /healthz/ready", static (o, a) => o with { Health = a }),
        Address("--metrics", "metrics, /stats/prometheus", static (o, a) => o with { Metrics = a }),
        Address("--agent", "kubelet's probes, merged metrics, /drain and /quitquitquit; default: none, with --pod port 15020", static (o, a) => o with { Agent = a }),
        new("--app-probers", "JSON", "the application's own probes by path, which /app-health/… makes", TakeProbers) { IstioVariable = "ISTIO_KUBE_APP_PROBERS", TakesEmpty = true },
        new("--app-metrics", "JSON", "the application's own Prometheus annotations: scrape, path, port", TakeMetrics) { IstioVariable = "ISTIO_PROMETHEUS_ANNOTATIONS", TakesEmpty = true },
        new("--exit-on-zero-active-connections", "", "with --agent: after the minimum drain time, end when no connection is left", TakeExit) { IstioVariable = "EXIT_ON_ZERO_ACTIVE_CONNECTIONS" },
        Address("--advertise", "address at which peers reach the inbound listener; default: where it is bound", static (o, a) => o with { Advertise = a }),
        Address("--dns", "nameserver to ask for the names in rules; default: those of /etc/resolv.conf", static (o, a) => o with { Dns = a }),
        new("--interception", "none|redirect|tproxy", "rules of the kernel bring the application's connections, with the addresses that were dialled (none)", TakeInterception),
        new("--passthrough-source", "IP|none", "where connections to ports of the application that no service names come from (127.0.0.6)", TakeSource),
        new("--concurrency", "N", "event loops that carry traffic; default: one for each processor of the quota", TakeConcurrency),
        new("--transport", "auto|epoll|sockets", "event loops of our own where the system has epoll, or Kestrel's sockets (auto)", TakeTransport),
        new("--access-log", "FILE|-", "write a line per request, - for standard output", static (o, v) => o with { AccessLog = v }),
        new("--access-log-format", "text|json", "Istio's line, or JSON with more (text)", TakeFormat),
        new("--labels", "K=V,…", "labels of the workload, for subsets", TakeLabels),
        new("--zone", "ZONE", "locality of the workload", static (o, v) => o with { Zone = v }),
        new("--version-label", "VERSION", "version of the workload in metrics; default: its label version, else latest", static (o, v) => o with { Version = v }),
        Time("--drain-time", "how long requests in flight may take after SIGTERM (5s)", static (o, t) => o with { DrainTime = t }),
        Time("--minimum-drain-time", "serve new connections so long after SIGTERM even when none is left (0s)", static (o, t) => o with { MinimumDrainTime = t }),
        Time("--request-headers-timeout", "from the first byte of a request's head to its last, then 408 (60s; 0s is off)", static (o, t) => o with { Limits = o.Limits with { RequestHeaders = t } }),
        Time("--stream-idle-timeout", "silence inside a request, then 408, 504 or a cut (5m; 0s is off)", static (o, t) => o with { Limits = o.Limits with { StreamIdle = t } }),
        Time("--idle-timeout", "silence of a client between requests, then its connection closes (1h; 0s is off)", static (o, t) => o with { Limits = o.Limits with { Idle = t } }),
        Number("--max-requests-per-connection", "requests of one client connection (0: unlimited)", static (o, n) => o with { Limits = o.Limits with { MaxRequestsPerConnection = n } }),
        Number("--max-connections", "client connections, all listeners together; the newest is refused (what descriptors allow; 0: unlimited)", static (o, n) => o with { Limits = o.Limits with { MaxConnections = n } }),
    ];

    private static OptionRow Address(string name, string help, Func<SidecarOptions, IPEndPoint, SidecarOptions> take) => new(
        name, "IP:PORT", help, (o, v) => TryAddress(v, out IPEndPoint? address) ? take(o, address) : Taken.Wrong(AddressText));

    private static OptionRow Time(string name, string help, Func<SidecarOptions, TimeSpan, SidecarOptions> take) => new(
        name, "TIME", help, (o, v) => TryTime(v, out TimeSpan time) ? take(o, time) : Taken.Wrong("a number with ms, s, m or h, at most 24h, for example 5s"));

    private static OptionRow Number(string name, string help, Func<SidecarOptions, int, SidecarOptions> take) => new(
        name, "N", help, (o, v) => int.TryParse(v, NumberStyles.None, CultureInfo.InvariantCulture, out int number) ? take(o, number) : Taken.Wrong("a whole number, for example 1000; 0 is unlimited"));

    private static Taken TakeService(SidecarOptions options, string value)
    {
        const string Expected = "NAME, NAME:PORT or NAME.NAMESPACE:PORT, for example orders.shop:8080";
        string[] parts = value.Split(':');
        int port = 0;
        if (parts.Length > 2 || (parts.Length == 2 && !TryPort(parts[1], out port)))
        {
            return Taken.Wrong(Expected);
        }

        string[] labels = parts[0].Split('.');
        return labels.Length > 2 || !labels.All(IsLabel)
            ? Taken.Wrong(Expected)
            : options with { Service = labels[0], Namespace = labels.Length == 2 ? labels[1] : options.Namespace, ServicePort = port };
    }

    private static Taken TakeApp(SidecarOptions options, string value)
    {
        int colon = value.LastIndexOf(':');
        string host = colon < 0 ? "" : value[..colon];
        return colon > 0 && TryPort(value[(colon + 1)..], out _) && Uri.CheckHostName(host.Trim('[', ']')) != UriHostNameType.Unknown
            ? options with { App = value }
            : Taken.Wrong("HOST:PORT, for example 127.0.0.1:8080");
    }

    private static Taken TakeControlPlane(SidecarOptions options, string value)
    {
        ImmutableArray<Uri>.Builder urls = ImmutableArray.CreateBuilder<Uri>();
        foreach (string part in value.Split(',', StringSplitOptions.TrimEntries))
        {
            if (!Uri.TryCreate(part, UriKind.Absolute, out Uri? url) || url.Scheme is not ("http" or "https"))
            {
                return Taken.Wrong("a URL, for example http://127.0.0.1:15010, or several with commas between");
            }

            urls.Add(url);
        }

        return options with { ControlPlane = urls.ToImmutable() };
    }

    private static Taken TakeNode(SidecarOptions options, string value) =>
        value.Length is > 0 and <= 253 && value.All(static c => char.IsAsciiLetterOrDigit(c) || c is '-' or '.' or '_')
            ? options with { Node = value }
            : Taken.Wrong("letters, digits, '-', '.' and '_', for example orders-1");

    private static Taken TakeAdmin(SidecarOptions options, string value) =>
        TryAddress(value, out IPEndPoint? address) && IPAddress.IsLoopback(address.Address)
            ? options with { Admin = address }
            : Taken.Wrong("a loopback IP:PORT, for example 127.0.0.1:15000; the admin port is for this machine only");

    private static Taken TakeInterception(SidecarOptions options, string value) =>
        Enum.TryParse(value, ignoreCase: true, out InterceptionMode mode) && Enum.IsDefined(mode) && !char.IsAsciiDigit(value[0])
            ? options with { Interception = mode }
            : Taken.Wrong("none, redirect or tproxy");

    private static Taken TakeSource(SidecarOptions options, string value) => value == "none" ? options with { PassthroughSource = null }
        : IPAddress.TryParse(value, out IPAddress? source) ? options with { PassthroughSource = source }
        : Taken.Wrong("an IP address of this machine, for example 127.0.0.6, or none");

    private static Taken TakeProbers(SidecarOptions options, string value) =>
        AppProbes.TryRead(value, out ImmutableDictionary<string, AppProbe> probes)
            ? options with { AppProbes = probes }
            : Taken.Wrong("a JSON object of probes, for example {\"/app-health/web/livez\":{\"httpGet\":{\"path\":\"/\",\"port\":8080}}}");

    private static Taken TakeMetrics(SidecarOptions options, string value) =>
        AppMetrics.TryRead(value, out AppMetrics? metrics)
            ? options with { AppMetrics = metrics }
            : Taken.Wrong("a JSON object of texts, for example {\"scrape\":\"true\",\"path\":\"/metrics\",\"port\":\"8080\"}");

    private static Taken TakeExit(SidecarOptions options, string value) =>
        bool.TryParse(value, out bool isWished) ? options with { ExitsWithoutConnections = isWished } : Taken.Wrong("true or false, or nothing");

    private static Taken TakeTransport(SidecarOptions options, string value) =>
        Enum.TryParse(value, ignoreCase: true, out TransportKind kind) && Enum.IsDefined(kind) && !char.IsAsciiDigit(value[0])
            ? options with { Transport = kind }
            : Taken.Wrong("auto, epoll or sockets");

    private static Taken TakeConcurrency(SidecarOptions options, string value) =>
        int.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out int count) && count is >= 1 and <= 1024
            ? options with { Concurrency = count }
            : Taken.Wrong("a number from 1 to 1024");

    private static Taken TakeFormat(SidecarOptions options, string value) => value switch
    {
        "text" => options with { AccessLogFormat = AccessLogFormat.Text },
        "json" => options with { AccessLogFormat = AccessLogFormat.Json },
        _ => Taken.Wrong("text or json"),
    };

    private static Taken TakeLabels(SidecarOptions options, string value)
    {
        ImmutableSortedDictionary<string, string>.Builder labels = ImmutableSortedDictionary.CreateBuilder<string, string>(StringComparer.Ordinal);
        foreach (string pair in value.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))
        {
            int equals = pair.IndexOf('=', StringComparison.Ordinal);
            if (equals <= 0 || !labels.TryAdd(pair[..equals], pair[(equals + 1)..]))
            {
                return Taken.Wrong("KEY=VALUE pairs with commas between, each key once, for example version=v1,track=canary");
            }
        }

        return options with { Labels = labels.ToImmutable() };
    }

    /// <summary>Reads a time such as <c>1.5s</c>.</summary>
    internal static bool TryTime(string text, out TimeSpan time)
    {
        (string digits, double unit) = text switch
        {
            [.. string n, 'm', 's'] => (n, 0.001),
            [.. string n, 's'] => (n, 1),
            [.. string n, 'm'] => (n, 60),
            [.. string n, 'h'] => (n, 3600),
            _ => ("", 0),
        };
        bool isNumber = double.TryParse(digits, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out double count);
        time = TimeSpan.FromSeconds(isNumber && count * unit <= LongestTime.TotalSeconds ? count * unit : 0);
        return isNumber && count * unit <= LongestTime.TotalSeconds;
    }

    private static bool TryAddress(string text, [System.Diagnostics.CodeAnalysis.NotNullWhen(true)] out IPEndPoint? address)
    {
        string dialled = text.StartsWith("localhost:", StringComparison.Ordinal) ? $"127.0.0.1:{text["localhost:".Length..]}" : text;
        // The system's parser takes an address without a port; here the port must be written.
        return IPEndPoint.TryParse(dialled, out address) && TryPort(dialled[(dialled.LastIndexOf(':') + 1)..], out _, lowest: 0)
            && dialled.Contains(':', StringComparison.Ordinal)
            && (dialled.StartsWith('[') || dialled.IndexOf(':', StringComparison.Ordinal) == dialled.LastIndexOf(':'));
    }

    private static bool TryPort(string text, out int port, int lowest = 1) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out port) && port >= lowest && port <= 65535;

    /// <summary>Whether it is a DNS label in lower case.</summary>
    internal static bool IsLabel(string text) =>
        text.Length is > 0 and <= 63 && text[0] != '-' && text[^1] != '-'
        && text.All(static c => char.IsAsciiLetterLower(c) || char.IsAsciiDigit(c) || c == '-');
}
