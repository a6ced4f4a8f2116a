using System.Collections.Immutable;
using System.Globalization;
using System.Net;
using Mesh.Rules.Kinds;
using Mesh.Rules.Reading;
using Mesh.Rules.Resolution;
using Mesh.Rules.Snapshots;
using Mesh.Rules.Wire;

namespace Mesh.Rules.Compilation;

/// <summary>One port of one host, from a registration or a service entry, as one proxy sees it.</summary>
/// <param name="Host">Full host, lower case.</param>
/// <param name="Name">Service name for metrics.</param>
/// <param name="Namespace">Namespace of the service.</param>
/// <param name="Port">Service port.</param>
/// <param name="IsHttp">HTTP is routed by host; all else is bytes.</param>
/// <param name="Domains">Names under which HTTP callers know it.</param>
/// <param name="Listeners">IPs to listen on for TCP callers; empty when there is no such listener.</param>
/// <param name="Source">Rule it comes from, or null for a registered service.</param>
/// <param name="Endpoints">Endpoints with the labels that subsets select by.</param>
internal sealed record ServicePortModel(
    string Host,
    string Name,
    string Namespace,
    int Port,
    bool IsHttp,
    ImmutableArray<string> Domains,
    ImmutableArray<string> Listeners,
    RuleKey? Source,
    ImmutableArray<LabelledEndpoint> Endpoints)
{
    /// <summary>Protocol of the port in upper case; empty when it has none.</summary>
    public string Protocol { get; init; } = "";

    /// <summary>Whether connections are TLS that is passed on as it is.</summary>
    public bool IsTls => Protocol is "TLS" or "HTTPS";

    /// <summary>Whether requests are gRPC.</summary>
    public bool IsGrpc => Protocol is "GRPC" or "GRPC-WEB";

    /// <summary>Whether the endpoints are names that the proxy resolves.</summary>
    public DnsDiscovery Dns { get; init; }

    /// <summary>Port of the hosts that callers name, if the rule maps it; else 0.</summary>
    public int OnDemandPort { get; init; }

    /// <summary>Whether redirected connections to its port are its own, whatever address they were going to: it has none.</summary>
    public bool IsForAnyAddress { get; init; }

    /// <summary>Whether nobody resolves its name: callers come with the address (resolution NONE).</summary>
    public bool IsUnresolved { get; init; }

    /// <summary>Names of which the server's certificate must carry one where no rule lists any, one a line (a string so that records compare by value).</summary>
    public string SubjectAltNames { get; init; } = "";

    /// <summary>Ports of the proxy's own pod among the endpoints.</summary>
    public ImmutableArray<int> OwnPorts { get; init; } = [];

    /// <summary>Whether nobody has said what the port speaks, so that the first bytes of a connection tell.</summary>
    public bool IsUndeclared => Protocol is "" or MeshServicePort.Undeclared;

    /// <summary>Whether servers on this port speak first as a rule (SMTP, DNS, MySQL, MongoDB; semantics 9.1): to wait there for a client's first bytes would be for ever.</summary>
    public static bool IsServerFirst(int port) => port is 25 or 53 or 3306 or 27017;
}

/// <summary>An endpoint and its labels.</summary>
internal sealed record LabelledEndpoint(EndpointConfig Endpoint, ImmutableSortedDictionary<string, string> Labels);

/// <summary>Collects the service ports that a proxy can see. Pure.</summary>
internal static class ServiceModel
{
    /// <summary>Registered services first, in order of host, then service entries from the oldest on.</summary>
    /// <param name="proxy">Who sees them.</param>
    /// <param name="view">Services and endpoints.</param>
    /// <param name="rules">Service entries.</param>
    /// <param name="cache">What the last call made; gives the same object for the same inputs.</param>
    public static IEnumerable<ServicePortModel> For(ProxyIdentity proxy, MeshView view, RuleSet rules, ServiceModelCache cache)
    {
        cache.BeginRound();
        foreach (MeshService service in view.Services.Values.OrderBy(static s => s.Host, StringComparer.Ordinal))
        {
            ImmutableArray<MeshEndpoint> endpoints = view.Endpoints.GetValueOrDefault(service.Host, []);
            foreach (ServicePortModel model in cache.Get(service, endpoints, () => [.. service.Ports.Select(port => Registered(proxy, service, port, endpoints))]))
            {
                yield return model;
            }
        }

        SelectableWorkloads workloads = new(view, rules);
        foreach (RuleDocument document in rules.ServiceEntries)
        {
            ServiceEntry entry = (ServiceEntry)document.Spec;
            if (!RuleSet.IsVisible(entry.ExportTo, document.Key.Namespace, proxy.Namespace))
            {
                continue;
            }

            // Workloads that an entry selects may come and go while the entry stays as it is.
            ServicePortModel[] models = entry.WorkloadSelector is null ? cache.Get(document, default, MakeAll) : MakeAll();
            foreach (ServicePortModel model in models)
            {
                yield return model;
            }

            ServicePortModel[] MakeAll() => [.. entry.Ports.SelectMany(port => entry.Hosts.Select(host => Entry(proxy, document.Key, entry, port, host.ToLowerInvariant(), workloads)))];
        }
    }

    /// <summary>Names under which callers of <paramref name="clientNamespace"/> know a service of the mesh.</summary>
    public static ImmutableArray<string> DomainsOf(string host, string name, string serviceNamespace, string clientNamespace) =>
    [
        host, $"{name}.{serviceNamespace}", $"{name}.{serviceNamespace}.svc",
        .. serviceNamespace == clientNamespace ? (string[])[name] : [], // a short name is a service of the caller's own namespace
    ];

    private static ServicePortModel Registered(ProxyIdentity proxy, MeshService service, MeshServicePort port, ImmutableArray<MeshEndpoint> endpoints)
    {
        string name = service.Host.Split('.')[0];
        bool isHttp = IsHttp(port.Protocol);
        ImmutableArray<string> domains = [.. DomainsOf(service.Host, name, service.Namespace, proxy.Namespace), .. service.Addresses.Select(Bracketed)];
        ImmutableArray<LabelledEndpoint> own =
        [
            .. endpoints.Where(e => e.ServicePort == port.Number).OrderBy(static e => e.Address, StringComparer.Ordinal)
                .Select(e => new LabelledEndpoint(new EndpointConfig(e.Address, 1, e.Zone, e.Workload, service.Namespace, e.Version), e.Labels)),
        ];
        return new(service.Host, name, service.Namespace, port.Number, isHttp, domains, isHttp ? [] : service.Addresses, null, own)
        {
            Protocol = port.Protocol.ToUpperInvariant(),
            OwnPorts = OwnServices.PortsOf(proxy, service.Namespace, own),
        };
    }

    private static ServicePortModel Entry(ProxyIdentity proxy, RuleKey key, ServiceEntry entry, ServicePort port, string host, SelectableWorkloads workloads)
    {
        bool isHttp = IsHttp(port.Protocol);
        ImmutableArray<string> addresses = [.. entry.Addresses.Where(static a => IPAddress.TryParse(a, out _)).Select(static a => IPAddress.Parse(a).ToString())];
        ImmutableArray<string> blocks = [.. entry.Addresses.Where(static a => a.Contains('/')).Select(static a => AddressBlock.TryParse(a, out IPNetwork block) ? block.ToString() : a)];
        ImmutableArray<string> listeners = isHttp ? [] : entry.Addresses.IsEmpty ? ["127.0.0.1"] : [.. addresses, .. blocks];
        DnsDiscovery dns = entry.Resolution switch
        {
            "DNS" => DnsDiscovery.Strict,
            "DNS_ROUND_ROBIN" => DnsDiscovery.Logical,
            "DYNAMIC_DNS" => DnsDiscovery.Dynamic,
            _ => DnsDiscovery.None,
        };
        bool hasEndpoints = dns is DnsDiscovery.Strict or DnsDiscovery.Logical || entry.Resolution == "STATIC";
        ImmutableArray<LabelledEndpoint> endpoints = hasEndpoints ? EndpointsOf(key, entry, port, host, dns, workloads) : [];
        return new(host, host, key.Namespace, port.Number ?? 0, isHttp, [.. NamesOf(host, proxy.Namespace), .. addresses.Select(Bracketed), .. blocks], listeners, key, endpoints)
        {
            Protocol = port.Protocol?.ToUpperInvariant() ?? "",
            Dns = dns,
            OnDemandPort = dns == DnsDiscovery.Dynamic && port.TargetPort is { } target && target != port.Number ? target : 0,
            IsForAnyAddress = !isHttp && entry.Addresses.IsEmpty,
            IsUnresolved = entry.Resolution is null or "NONE",
            SubjectAltNames = string.Join('\n', entry.SubjectAltNames),
            OwnPorts = OwnServices.PortsOf(proxy, key.Namespace, endpoints),
        };
    }

    private static ImmutableArray<LabelledEndpoint> EndpointsOf(
        RuleKey key, ServiceEntry entry, ServicePort port, string host, DnsDiscovery dns, SelectableWorkloads workloads)
    {
        if (entry.WorkloadSelector is { } selector)
        {
            return
            [
                .. Listed(key, workloads.Entries(key.Namespace, selector), port, dns)
                    .Concat(workloads.Sidecars(key.Namespace, selector, port))
                    .OrderBy(static e => e.Endpoint.Address, StringComparer.Ordinal),
            ];
        }

        // Without endpoints the names to resolve are the hosts themselves.
        IEnumerable<WorkloadEntry> declared = dns != DnsDiscovery.None && entry.Endpoints.IsEmpty ? [new WorkloadEntry { Address = host }] : entry.Endpoints;
        return [.. Listed(key, declared, port, dns)];
    }

    private static IEnumerable<LabelledEndpoint> Listed(RuleKey key, IEnumerable<WorkloadEntry> declared, ServicePort port, DnsDiscovery dns)
    {
        List<LabelledEndpoint> all = [];
        foreach (WorkloadEntry endpoint in declared)
        {
            int number = port.Name is { } name && endpoint.Ports.TryGetValue(name, out int own) ? own : port.TargetPort ?? port.Number ?? 0;
            if (number is > 0 and < 65536 &&
                (ClusterCompiler.TryEndpointAddress(endpoint.Address, number, out string address) ||
                (dns != DnsDiscovery.None && ClusterCompiler.TryNamedAddress(endpoint.Address, number, out address))))
            {
                EndpointConfig config = new(
                    address, Math.Max(1, endpoint.Weight ?? 1), endpoint.Locality ?? "", endpoint.Labels.GetValueOrDefault("app", "unknown"), key.Namespace,
                    endpoint.Labels.GetValueOrDefault("version", "latest"));
                all.Add(new LabelledEndpoint(config, endpoint.Labels));
            }
        }

        return all.OrderBy(static e => e.Endpoint.Address, StringComparer.Ordinal);
    }

    private static bool IsHttp(string? protocol) => protocol?.ToUpperInvariant() is "HTTP" or "HTTP2" or "GRPC" or "GRPC-WEB";

    // An entry inside the cluster's domain is a service of the mesh: it has a service's short names.
    private static ImmutableArray<string> NamesOf(string host, string clientNamespace)
    {
        string[] labels = host.Split('.');
        return HostMatch.IsService(labels) ? DomainsOf(host, labels[0], labels[1], clientNamespace) : [host];
    }

    private static string Bracketed(string address) => address.Contains(':') ? string.Create(CultureInfo.InvariantCulture, $"[{address}]") : address;
}
