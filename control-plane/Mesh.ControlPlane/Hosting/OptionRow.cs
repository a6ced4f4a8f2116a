using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Net;

namespace Mesh.ControlPlane.Hosting;

/// <summary>One option: name, word for its value, line of the help, and how a text becomes part of the options (null: the text is wrong).</summary>
/// <param name="Name">With dashes.</param>
/// <param name="Value">What to write after it; empty for a switch, which alone means true.</param>
/// <param name="Help">One line.</param>
/// <param name="Take">Takes the text.</param>
internal sealed record OptionRow(string Name, string Value, string Help, Func<ServeOptions, string, ServeOptions?> Take)
{
    /// <summary>All options of <c>serve</c>; parsing, environment and help go by it.</summary>
    public static IReadOnlyList<OptionRow> All { get; } =
    [
        new("--listen", "IP:PORT", "API and sidecar stream (127.0.0.1:15010)",
            static (o, v) => TryAddress(v, out IPEndPoint? at) ? o with { Listen = at } : null),
        new("--metrics-listen", "IP:PORT", "/metrics, /healthz, /readyz (127.0.0.1:15014)",
            static (o, v) => TryAddress(v, out IPEndPoint? at) ? o with { MetricsListen = at } : null),
        new("--data", "DIR", "folder that keeps the rules ($XDG_STATE_HOME/mesh, else ~/.local/state/mesh)",
            static (o, v) => o with { Data = v }),
        new("--tls-cert", "FILE", "certificate chain, PEM; needed on any address but loopback; with --kubernetes it makes its own",
            static (o, v) => o with { TlsCert = v }),
        new("--tls-key", "FILE", "its key, PEM", static (o, v) => o with { TlsKey = v }),
        new("--tls-ca", "FILE", "roots of --tls-cert, PEM: written into the ConfigMap mesh-ca-root-cert of each namespace; with --kubernetes",
            static (o, v) => o with { TlsCa = v }),
        new("--token-file", "FILE", "token that opens every route; read again when it changes; with --kubernetes service accounts' tokens open too",
            static (o, v) => o with { TokenFile = v }),
        new("--kubernetes", "", "take rules, services and endpoints from a cluster; in a pod by its service account",
            static (o, v) => v is "true" or "1" ? o with { Kubernetes = true } : v is "false" or "0" ? o with { Kubernetes = false } : null),
        new("--kubeconfig", "FILE", "credentials for the cluster ($KUBECONFIG, else ~/.kube/config)", static (o, v) => o with { KubeConfig = v }),
        new("--context", "NAME", "context of the kubeconfig (its current one)", static (o, v) => o with { Context = v }),
        new("--lease-namespace", "NAMESPACE", "where control planes of one cluster agree on who writes statuses (their own)",
            static (o, v) => o with { LeaseNamespace = v }),
        new("--replica-address", "IP", "where the other replicas reach --listen, with :PORT if not at its port (its own address); with --kubernetes",
            static (o, v) => TryAddress(v, out IPEndPoint? at) ? o with { ReplicaAddress = at }
                : IPAddress.TryParse(v, out IPAddress? ip) ? o with { ReplicaAddress = new IPEndPoint(ip, 0) } : null),
        new("--replica-token", "FILE", "token of our service account that the other replicas are shown; read again each time; with --kubernetes",
            static (o, v) => o with { ReplicaToken = v }),
        new("--webhook-listen", "IP:PORT", "admission webhooks over TLS: /inject and /validate; not given: none",
            static (o, v) => TryAddress(v, out IPEndPoint? at) ? o with { WebhookListen = at } : null),
        new("--webhook-service", "NAME.NAMESPACE", "Service in front of this, the name in its own certificate (mesh-control-plane.mesh-system)",
            static (o, v) => v.Split('.') is [{ Length: > 0 }, { Length: > 0 }] ? o with { WebhookService = v } : null),
        new("--injection-settings", "FILE", "settings of the injected sidecars, YAML; as for meshctl inject",
            static (o, v) => o with { InjectionSettings = v }),
        new("--otlp-endpoint", "URL", "collector for calls, failures and states of shared circuits: OTLP/HTTP, JSON, each 10 s; not given: none",
            static (o, v) => Uri.TryCreate(v, UriKind.Absolute, out Uri? url) && url is { Scheme: "http" or "https", Query: "" } ? o with { OtlpEndpoint = url } : null),
    ];

    /// <summary>The environment variable read when the option is not given: <c>MESH_TOKEN_FILE</c>.</summary>
    public string Variable { get; } = "MESH_" + Name[2..].ToUpperInvariant().Replace('-', '_');

    private static bool TryAddress(string text, [NotNullWhen(true)] out IPEndPoint? address)
    {
        address = null;
        int colon = text.LastIndexOf(':');
        if (colon <= 0 || !ushort.TryParse(text.AsSpan(colon + 1), NumberStyles.None, CultureInfo.InvariantCulture, out ushort port))
        {
            return false;
        }

        string host = text[..colon];
        bool isBracketed = host is ['[', .., ']'];
        if (host == "localhost")
        {
            address = new IPEndPoint(IPAddress.Loopback, port);
        }
        else if (IPAddress.TryParse(isBracketed ? host[1..^1] : host, out IPAddress? ip) && host.Contains(':', StringComparison.Ordinal) == isBracketed)
        {
            address = new IPEndPoint(ip, port);
        }

        return address is not null;
    }
}
