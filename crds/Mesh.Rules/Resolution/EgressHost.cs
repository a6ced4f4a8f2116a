namespace Mesh.Rules.Resolution;

/// <summary>An entry of <c>egress.hosts</c>, <c>namespace/name</c>. Namespaces are a name, <c>*</c> or <c>~</c> for none; the own one is spelt out. Immutable.</summary>
/// <param name="Namespace">Namespace of services and virtual services.</param>
/// <param name="Pattern">Full name, <c>*.suffix</c> or <c>*</c>, lower case.</param>
/// <param name="IsExclusion">Whether it takes out what others let in.</param>
internal sealed record EgressHost(string Namespace, string Pattern, bool IsExclusion)
{
    private const string Nowhere = "~";

    /// <summary>Reads an entry for a sidecar of <paramref name="ownNamespace"/>; null when it has not the form of one.</summary>
    public static EgressHost? Read(string text, string ownNamespace)
    {
        int slash = text.IndexOf('/');
        if (slash < 0)
        {
            return null;
        }

        bool isExclusion = slash > 1 && text[0] == '~';
        string space = text[(isExclusion ? 1 : 0)..slash];
        return new EgressHost(space == "." ? ownNamespace : space, text[(slash + 1)..].ToLowerInvariant(), isExclusion);
    }

    /// <summary>Whether it speaks of that name in that namespace.</summary>
    public bool Covers(string serviceNamespace, string host) =>
        Namespace != Nowhere && (Namespace == "*" || Namespace == serviceNamespace) && (HostMatch.Matches(Pattern, host) || Pattern == host);
}
