using Mesh.Rules.Kinds;
using Mesh.Rules.Reading;
using Mesh.Rules.Resolution;
using Mesh.Rules.Validation;

namespace Mesh.Rules.Advice;

/// <summary>Service entries whose host no rule can name, or whose callers wait without end. Pure.</summary>
internal static class EntryAdvice
{
    /// <summary>Looks at a service entry; <paramref name="hosts"/> knows where routes lead.</summary>
    public static IEnumerable<Diagnostic> Check(RuleDocument rule, ExternalHosts hosts)
    {
        ServiceEntry entry = (ServiceEntry)rule.Spec;
        for (int i = 0; i < entry.Hosts.Length; i++)
        {
            string host = entry.Hosts[i].ToLowerInvariant();
            if (!host.Contains('.') && !host.StartsWith('*'))
            {
                string full = HostMatch.ServiceHost(host, rule.Key.Namespace);
                yield return RuleSetCheck.Warning(
                    $"spec.hosts[{i}]",
                    $"no rule can be written for '{host}': a host without a dot means {full} in a DestinationRule or VirtualService, but is taken as it is here; write {full}, or a name with a dot such as {host}.example") with
                {
                    Check = "short-host",
                };
            }
            else if (entry.Location is null or "MESH_EXTERNAL" && entry.Ports.Any(static p => IsHttp(p.Protocol)) && !hosts.IsRouted(host))
            {
                yield return RuleSetCheck.Warning(
                    $"spec.hosts[{i}]",
                    $"'{host}' is outside the mesh, and no VirtualService gives it a timeout: its callers wait for it as long as it likes; write a VirtualService for it with timeout: 10s, or what it promises") with
                {
                    Check = "no-timeout",
                };
            }
        }
    }

    private static bool IsHttp(string? protocol) => protocol?.ToUpperInvariant() is "HTTP" or "HTTP2" or "GRPC" or "GRPC-WEB";
}
