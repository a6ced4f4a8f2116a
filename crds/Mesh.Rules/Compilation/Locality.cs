namespace Mesh.Rules.Compilation;

/// <summary>Where a workload runs, from the outside in; a part that is not known is empty.</summary>
/// <param name="Region">Region.</param>
/// <param name="Zone">Zone in the region.</param>
/// <param name="Subzone">Subzone in the zone.</param>
internal readonly record struct Locality(string Region, string Zone, string Subzone)
{
    /// <summary>Reads <c>region/zone/subzone</c>; parts at the end may be missing.</summary>
    public static Locality Parse(string text)
    {
        string[] parts = text.Split('/');
        return new(parts[0], parts.Length > 1 ? parts[1] : "", parts.Length > 2 ? parts[2] : "");
    }

    /// <summary>How far away <paramref name="other"/> is: 0 same subzone, 1 same zone, 2 same region, 3 elsewhere (semantics 8.4).</summary>
    public int DistanceTo(Locality other) => other.Region != Region ? 3 : other.Zone != Zone ? 2 : other.Subzone != Subzone ? 1 : 0;

    /// <summary>Whether a rule that names <c>region/zone/*</c>, <c>region/*</c>, <c>region</c> or <c>*</c> means this place.</summary>
    public bool IsMeantBy(string pattern)
    {
        Locality rule = Parse(pattern);
        return IsPart(rule.Region, Region) && IsPart(rule.Zone, Zone) && IsPart(rule.Subzone, Subzone);
    }

    private static bool IsPart(string rule, string part) => rule is "" or "*" || rule == part;
}
