using System.Net;
using Mesh.Rules.Kinds;
using Mesh.Rules.Resolution;
using Mesh.Rules.Schema;

namespace Mesh.Rules.Validation;

/// <summary>What no single field of a ServiceEntry can tell. Texts are Istio's where it has one.</summary>
internal static class ServiceEntryCheck
{
    private static readonly string[] Protocols =
        ["HTTP", "HTTPS", "GRPC", "GRPC-WEB", "HTTP2", "MONGO", "MYSQL", "REDIS", "TCP", "TLS", "UDP", "HBONE"];

    public static void Check(ServiceEntry entry, Cursor spec)
    {
        CheckHosts(entry, spec.Field("hosts"));
        CheckAddresses(entry, spec.Field("addresses"));
        CheckPorts(entry, spec.Field("ports"));
        if (entry.Resolution is not null || spec.Field("resolution").Node is null or { Kind: RuleNodeKind.Null }) // else nobody knows what endpoints would have to be
        {
            CheckEndpoints(entry, spec.Field("endpoints"));
        }

        if (entry.WorkloadSelector is not null && !entry.Endpoints.IsEmpty)
        {
            spec.Field("workloadSelector").Error("only one of WorkloadSelector or Endpoints is allowed in Service Entry");
        }

        if (entry.WorkloadSelector is { } selector)
        {
            CheckSelector(selector, entry.Resolution, spec.Field("workloadSelector"));
        }

        if (entry.Resolution is null && spec.Field("resolution").Node is null)
        {
            spec.Field("resolution").Warn("the default, NONE, goes to the address that the caller dialled, which only redirected connections have; to look the name up write resolution: DNS");
        }

        ExportToCheck.Check(entry.ExportTo, spec.Field("exportTo"));
    }

    private static void CheckSelector(ServiceEntrySelector selector, string? resolution, Cursor at)
    {
        LabelCheck.CheckSelector(selector.Labels, "every workload of the namespace", at);
        if (resolution is null or "NONE" or "DYNAMIC_DNS")
        {
            at.Warn($"selects nothing with resolution {resolution ?? "NONE"}; write resolution: STATIC, or DNS for workloads that are names");
        }
    }

    private static void CheckHosts(ServiceEntry entry, Cursor at)
    {
        if (at.Node is { Kind: RuleNodeKind.List, Items: [] })
        {
            at.Error("service entry must have at least one host", DiagnosticCode.Required);
        }

        for (int i = 0; i < entry.Hosts.Length; i++)
        {
            string host = entry.Hosts[i];
            string? problem = host == "*" ? "invalid host *; name the service, such as api.example.com" : HostName.CheckWildcard(host);
            if (problem is not null)
            {
                at.Item(i).Error(problem);
            }
            else if (entry.Resolution is "DNS" or "DNS_ROUND_ROBIN" && entry.Endpoints.IsEmpty && entry.WorkloadSelector is null && host[0] == '*')
            {
                at.Item(i).Error($"hosts must be FQDN if no endpoints are provided for resolution mode {entry.Resolution}");
            }
            else if (entry.Resolution == "DYNAMIC_DNS" && host[0] != '*')
            {
                at.Item(i).Error($"resolution DYNAMIC_DNS is for wildcard hosts, such as *.example.com; write resolution: DNS for {RuleNode.Quote(host)}");
            }
        }
    }

    private static void CheckAddresses(ServiceEntry entry, Cursor at)
    {
        for (int i = 0; i < entry.Addresses.Length; i++)
        {
            string address = entry.Addresses[i];
            bool isCidr = address.Contains('/', StringComparison.Ordinal);
            if (!AddressBlock.TryParse(address, out _))
            {
                at.Item(i).Error($"{RuleNode.Quote(address)} is neither an IP address nor a CIDR block; write for example 240.0.0.1 or 240.0.0.0/24");
            }
            else if (isCidr && entry.Resolution is not (null or "NONE" or "STATIC"))
            {
                at.Item(i).Error("CIDR addresses are allowed only for NONE/STATIC resolution types");
            }
        }

        if (entry.Resolution == "DYNAMIC_DNS" && !entry.Addresses.IsEmpty)
        {
            at.Error("no addresses should be provided for resolution type DYNAMIC_DNS");
        }
    }

    private static void CheckPorts(ServiceEntry entry, Cursor at)
    {
        HashSet<string> names = new(StringComparer.Ordinal);
        HashSet<int> numbers = [];
        for (int i = 0; i < entry.Ports.Length; i++)
        {
            (ServicePort port, Cursor here) = (entry.Ports[i], at.Item(i));
            if (port.Name is { } name && !names.Add(name))
            {
                here.Field("name").Error($"service entry port name {RuleNode.Quote(name)} already defined");
            }

            if (port.Number is { } number && !numbers.Add(number))
            {
                here.Field("number").Error($"service entry port {number} already defined");
            }

            if (port.Protocol is { Length: > 0 } protocol && !Protocols.Contains(protocol, StringComparer.OrdinalIgnoreCase))
            {
                here.Field("protocol").Error(
                    $"unsupported protocol: {protocol}; write one of {string.Join(", ", Protocols)}{Suggestion.For(protocol, Protocols)}",
                    DiagnosticCode.NotSupported);
            }

            if (entry.Resolution == "DYNAMIC_DNS" && port.Protocol?.ToUpperInvariant() is null or "" or "TCP" or "MONGO")
            {
                here.Field("protocol").Error("resolution DYNAMIC_DNS needs a protocol that names the host: HTTP, HTTP2, GRPC, TLS or HTTPS");
            }

            bool isTcp = port.Protocol is null or "" || port.Protocol.Equals("TCP", StringComparison.OrdinalIgnoreCase);
            if (isTcp && entry.Addresses.IsEmpty)
            {
                here.Warn("a TCP port without addresses is known by its number alone and collides with every other service on it; add spec.addresses");
            }
        }
    }

    private static void CheckEndpoints(ServiceEntry entry, Cursor at)
    {
        string resolution = entry.Resolution ?? "NONE";
        if (resolution is "NONE" or "DYNAMIC_DNS" && !entry.Endpoints.IsEmpty)
        {
            at.Error($"no endpoints should be provided for resolution type {resolution}; write resolution: STATIC for endpoints with IPs");
        }

        if (resolution == "DNS_ROUND_ROBIN" && entry.Endpoints.Length > 1)
        {
            at.Error("there must only be 0 or 1 endpoint for resolution mode DNS_ROUND_ROBIN");
        }

        if (resolution == "STATIC" && entry.Endpoints.IsEmpty && entry.WorkloadSelector is null && at.Node is null or { Kind: RuleNodeKind.Null or RuleNodeKind.List })
        {
            at.Warn("no endpoints: every request is answered 503; list endpoints with their addresses");
        }

        for (int i = 0; i < entry.Endpoints.Length; i++)
        {
            CheckEndpoint(entry, resolution, entry.Endpoints[i], at.Item(i));
        }
    }

    private static void CheckEndpoint(ServiceEntry entry, string resolution, WorkloadEntry endpoint, Cursor at)
    {
        Cursor addressAt = at.Field("address");
        if (!WorkloadEntryCheck.CheckPlace(endpoint, at) && endpoint.Address is { } address && !IPAddress.TryParse(address, out _))
        {
            if (resolution == "STATIC")
            {
                addressAt.Error($"{RuleNode.Quote(address)} is no IP address; resolution STATIC needs one, such as 10.0.0.1");
            }
            else if (resolution is "DNS" or "DNS_ROUND_ROBIN" && HostName.Check(address.TrimEnd('.')) is { } problem)
            {
                addressAt.Error($"endpoint address {RuleNode.Quote(address)} is not a name that can be resolved: {problem}");
            }
        }

        foreach (string name in endpoint.Ports.Keys)
        {
            if (!entry.Ports.Any(port => port.Name == name))
            {
                at.Field("ports").Field(name).Error($"endpoint port {name} is not defined by the service entry");
            }
        }
    }
}
