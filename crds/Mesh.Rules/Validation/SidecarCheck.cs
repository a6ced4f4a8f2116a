using System.Net;
using Mesh.Rules.Kinds;
using Mesh.Rules.Resolution;
using Mesh.Rules.Schema;

namespace Mesh.Rules.Validation;

/// <summary>What no single field of a Sidecar can tell. Texts are Istio's where it has one.</summary>
internal static class SidecarCheck
{
    private const string UnixScheme = "unix://";

    public static void Check(Sidecar rule, Cursor spec)
    {
        if (rule.WorkloadSelector is { } selector)
        {
            LabelCheck.CheckSelector(selector.Labels, "every workload of the namespace that no other Sidecar selects", spec.Field("workloadSelector"));
        }

        if (rule is { Ingress.IsEmpty: true, Egress.IsEmpty: true, OutboundTrafficPolicy: null, InboundConnectionPool: null })
        {
            spec.Error("sidecar: empty configuration provided; write egress, ingress, inboundConnectionPool or outboundTrafficPolicy");
        }

        CheckIngress(rule, spec.Field("ingress"));
        CheckEgress(rule, spec.Field("egress"));
        if (rule.OutboundTrafficPolicy is { Mode: null })
        {
            spec.Field("outboundTrafficPolicy").Advise("registry-only-by-default", "without mode this means REGISTRY_ONLY, although without the block it is ALLOW_ANY; write the one that is meant");
        }
    }

    private static void CheckIngress(Sidecar rule, Cursor at)
    {
        HashSet<int> ports = [];
        for (int i = 0; i < rule.Ingress.Length; i++)
        {
            (SidecarIngress ingress, Cursor here) = (rule.Ingress[i], at.Item(i));
            if (ingress.Port?.Number is { } port && !ports.Add(port))
            {
                here.Field("port").Error($"ports on IP bound listeners must be unique, {port} is there twice");
            }

            CheckBind(ingress.Bind, here.Field("bind"));
            CheckEndpoint(ingress.DefaultEndpoint, here.Field("defaultEndpoint"));
        }
    }

    private static void CheckEndpoint(string? endpoint, Cursor at)
    {
        switch (endpoint)
        {
            case null or "":
                break;
            case { } when endpoint.StartsWith(UnixScheme, StringComparison.Ordinal):
                at.NotEnforced("unix sockets are not dialled, and traffic goes where the sidecar's option --app says; write 127.0.0.1:PORT");
                break;
            case { } when !IPEndPoint.TryParse(endpoint, out IPEndPoint? ip) || ip.Port == 0 || !(IPAddress.IsLoopback(ip.Address) || IsAny(ip.Address)):
                at.Error($"sidecar: defaultEndpoint must be of form 127.0.0.1:<port>, [::1]:<port>, 0.0.0.0:<port>, [::]:<port>, unix://filepath, or unset, was {RuleNode.Quote(endpoint)}");
                break;
        }
    }

    private static void CheckEgress(Sidecar rule, Cursor at)
    {
        HashSet<(string Bind, int Port)> listeners = [];
        for (int i = 0; i < rule.Egress.Length; i++)
        {
            (SidecarEgress egress, Cursor here) = (rule.Egress[i], at.Item(i));
            if (egress.Port?.Number is { } port)
            {
                if (!listeners.Add((egress.Bind ?? "", port)))
                {
                    here.Field("port").Error($"ports on IP bound listeners must be unique, {port} is there twice");
                }
            }
            else if (here.Field("port").Node is null or { Kind: RuleNodeKind.Null })
            {
                CheckCatchAll(rule, i, here);
            }

            CheckBind(egress.Bind, here.Field("bind"));
            if (egress is { Bind.Length: > 0, Port.Protocol: { } protocol } && IPAddress.TryParse(egress.Bind, out _) && protocol.ToUpperInvariant() is "HTTP" or "HTTP2" or "GRPC" or "GRPC-WEB")
            {
                here.Field("bind").NotEnforced("HTTP is taken at the sidecar's one outbound address, whatever its port");
            }

            CheckHosts(egress, here.Field("hosts"));
        }
    }

    private static void CheckCatchAll(Sidecar rule, int index, Cursor at)
    {
        if (index < rule.Egress.Length - 1)
        {
            at.Error("sidecar: the egress listener with empty port should be the last listener in the list");
        }

        if (!string.IsNullOrEmpty(rule.Egress[index].Bind))
        {
            at.Field("bind").Error("sidecar: bind needs a port; write port: {number: ..., protocol: ..., name: ...}");
        }
    }

    private static void CheckBind(string? bind, Cursor at)
    {
        if (bind?.StartsWith(UnixScheme, StringComparison.Ordinal) == true)
        {
            at.NotEnforced("the sidecar does not listen on unix sockets; write an IP");
        }
        else if (!string.IsNullOrEmpty(bind) && !IPAddress.TryParse(bind, out _))
        {
            at.Error($"bind must be an IP address or unix://filepath, was {RuleNode.Quote(bind)}");
        }
    }

    private static void CheckHosts(SidecarEgress egress, Cursor at)
    {
        if (at.Node is { Kind: RuleNodeKind.List, Items: [] })
        {
            at.Error("sidecar: egress listener must contain at least one host; write for example [\"./*\", \"istio-system/*\"]", DiagnosticCode.Required);
        }

        for (int i = 0; i < egress.Hosts.Length; i++)
        {
            if (EgressHost.Read(egress.Hosts[i], ".") is not { } host)
            {
                at.Item(i).Error($"{RuleNode.Quote(egress.Hosts[i])} is not of the form namespace/dnsName; write for example \"./{egress.Hosts[i]}\" or \"*/{egress.Hosts[i]}\"");
            }
            else if (host.Namespace is not ("*" or "." or "~") && !HostName.IsLowerLabel(host.Namespace))
            {
                at.Item(i).Error($"invalid namespace value {RuleNode.Quote(host.Namespace)} in sidecar; write a namespace, \".\" (this one), \"*\" (all) or \"~\" (none)");
            }
            else if (HostName.CheckWildcard(host.Pattern) is { } problem)
            {
                at.Item(i).Error(problem);
            }
            else if (egress.Hosts.IndexOf(egress.Hosts[i]) < i)
            {
                at.Item(i).Warn($"{egress.Hosts[i]} is there twice");
            }
        }
    }

    private static bool IsAny(IPAddress address) => address.Equals(IPAddress.Any) || address.Equals(IPAddress.IPv6Any);
}
