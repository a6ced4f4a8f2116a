namespace Mesh.Rules.Resolution;

/// <summary>How the <c>host</c> of a rule names services (semantics 1.1, 1.10). Pure.</summary>
public static class HostMatch
{
    /// <summary>Suffix of every service of the mesh.</summary>
    public const string ServiceDomain = "svc.cluster.local";

    /// <summary>The full, lower-case name: a short name is a service of the rule's own namespace, anything with a dot is taken as it is.</summary>
    public static string Expand(string host, string ruleNamespace)
    {
        string name = host.ToLowerInvariant();
        return name.Length == 0 || name.Contains('.') || name.Contains(':') || name.StartsWith('*')
            ? name
            : ServiceHost(name, ruleNamespace);
    }

    /// <summary>Full name of a service.</summary>
    public static string ServiceHost(string service, string serviceNamespace) => $"{service}.{serviceNamespace}.{ServiceDomain}".ToLowerInvariant();

    /// <summary>Whether these are the labels of a service's full name: service, namespace and the cluster's domain.</summary>
    public static bool IsService(ReadOnlySpan<string> labels) => labels is [[not '*', ..], _, "svc", "cluster", "local"];

    /// <summary>Whether <paramref name="pattern"/> (a full name, <c>*.suffix</c> or <c>*</c>) names <paramref name="host"/>. <c>*.foo.com</c> is not foo.com.</summary>
    public static bool Matches(string pattern, string host) => pattern.StartsWith('*')
        ? host.Length > pattern.Length - 1 && host.EndsWith(pattern[1..], StringComparison.Ordinal)
        : pattern == host;
}
