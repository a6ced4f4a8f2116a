namespace Mesh.Rules.Snapshots;

/// <summary>What the endpoints of a cluster are: addresses, or names that the proxy resolves and keeps fresh (semantics 7).</summary>
public enum DnsDiscovery
{
    /// <summary>Addresses.</summary>
    None,

    /// <summary>Names (or addresses); every A and AAAA record is an endpoint of its own, with all else that the declared endpoint says.</summary>
    Strict,

    /// <summary>Names (or addresses); each is one endpoint, and a new connection goes to the first address of the latest answer.</summary>
    Logical,

    /// <summary>None are declared: each is a name that a caller has asked for, resolved then, and otherwise like <see cref="Logical"/>.</summary>
    Dynamic,
}
