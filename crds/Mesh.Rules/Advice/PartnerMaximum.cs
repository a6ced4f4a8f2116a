using System.Collections.Immutable;
using System.Globalization;
using Mesh.Rules.Kinds;
using Mesh.Rules.Reading;
using Mesh.Rules.Resolution;
using Mesh.Rules.Validation;

namespace Mesh.Rules.Advice;

/// <summary>
/// What a partner takes at most, against what all sidecars together may open: a limit counts in each sidecar, the partner's maximum for their sum. The maximum is an
/// annotation of the ServiceEntry, since Istio's schema has no field for it. Pure.
/// </summary>
public static class PartnerMaximum
{
    /// <summary>Annotation of a ServiceEntry: most connections that its hosts take from all callers together.</summary>
    public const string MaxConnections = "resilience.mesh.dev/max-connections";

    /// <summary>Annotation of a ServiceEntry: how many sidecars will call its hosts, where nobody can count them.</summary>
    public const string Sidecars = "resilience.mesh.dev/sidecars";

    private const string Check = "partner-maximum";

    /// <summary>Service entries among <paramref name="rules"/> that say a maximum, usually none, and policies with a limit of all sidecars together.</summary>
    public static ImmutableArray<RuleDocument> EntriesOf(IEnumerable<RuleDocument> rules) =>
    [
        .. rules.Where(static r => (r.Spec is ServiceEntry && (r.Annotations.ContainsKey(MaxConnections) || r.Annotations.ContainsKey(Sidecars)))
            || r.Spec is ResiliencePolicy { MeshLimits.MaxConnections: not null, Mode: not ResiliencePolicy.ShadowMode }),
    ];

    /// <summary>Findings about <paramref name="rule"/>.</summary>
    /// <param name="rule">A rule of any kind.</param>
    /// <param name="entries">What <see cref="EntriesOf"/> gave.</param>
    /// <param name="sidecars">Sidecars that see the rule, as far as known; the entry may say more.</param>
    public static IEnumerable<Diagnostic> Find(RuleDocument rule, ImmutableArray<RuleDocument> entries, int sidecars)
    {
        if (rule.Spec is ServiceEntry)
        {
            return ((string[])[MaxConnections, Sidecars]).Where(a => rule.Annotations.TryGetValue(a, out string? text) && Number(text) is null)
                .Select(a => Warning($"metadata.annotations.{a}", $"'{rule.Annotations[a]}' is no number of 1 or more, and so it says nothing; write for example \"80\""));
        }

        if (rule.IsShadow)
        {
            return [];
        }

        string meant = HostMatch.Expand((rule.Spec as DestinationRule)?.Host ?? (rule.Spec as ResiliencePolicy)?.Host ?? "", rule.Key.Namespace);
        IEnumerable<(string Host, int Ports, int Callers, int Maximum)> partners =
            from entry in entries
            where NumberOf(entry, MaxConnections) is not null
            let host = ((ServiceEntry)entry.Spec).Hosts.FirstOrDefault(h => IsMeant(meant, h.ToLowerInvariant()))
            where host is not null
            select (host, Math.Max(1, ((ServiceEntry)entry.Spec).Ports.Length), Math.Max(sidecars, NumberOf(entry, Sidecars) ?? 1), NumberOf(entry, MaxConnections)!.Value);
        return rule.Spec switch
        {
            DestinationRule destination =>
                from partner in partners
                where !entries.Any(e => IsShared(e, partner.Host))
                from place in Places(destination.TrafficPolicy)
                let finding = Compare(partner.Host, place.Limit, partner.Callers, partner.Maximum)
                where finding is not null
                select Warning(place.Path, finding),
            ResiliencePolicy { MeshLimits.MaxConnections: { } limit, Mode: not ResiliencePolicy.ShadowMode } policy =>
                from partner in partners
                let finding = Compare(policy.Port is null ? partner : partner with { Ports = 1 }, limit)
                where finding is not null
                select Warning("spec.meshLimits.maxConnections", finding),
            _ => [],
        };
    }

    /// <summary>Whether a policy has one number for all sidecars: then it is looked at, not the limit of each.</summary>
    private static bool IsShared(RuleDocument rule, string host) => rule.Spec is ResiliencePolicy { MeshLimits.MaxConnections: not null, Mode: not ResiliencePolicy.ShadowMode, Subset: null, Port: null } policy
        && IsMeant(HostMatch.Expand(policy.Host ?? "", rule.Key.Namespace), host.ToLowerInvariant());

    // Each port is an upstream of its own, with the whole number.
    private static string? Compare((string Host, int Ports, int Callers, int Maximum) partner, int limit) =>
        partner.Ports > 1 && (long)limit * partner.Ports > partner.Maximum
            ? string.Create(CultureInfo.InvariantCulture, $"each port has the whole number: {partner.Ports} ports × {limit} = {(long)limit * partner.Ports} connections, and '{partner.Host}' takes {partner.Maximum} of all callers together; ")
                + (partner.Maximum < partner.Ports ? "ask the partner for more" : string.Create(CultureInfo.InvariantCulture, $"write {partner.Maximum / partner.Ports} or less"))
            : limit > partner.Maximum
            ? string.Create(CultureInfo.InvariantCulture, $"{limit} is more than '{partner.Host}' takes of all callers together; write {partner.Maximum} or less")
            : partner.Callers <= limit ? null
            : string.Create(CultureInfo.InvariantCulture, $"each sidecar may have one connection at least, and {partner.Callers} sidecars are more than {limit}; let fewer call '{partner.Host}'");

    private static string? Compare(string host, int? limit, int sidecars, int maximum)
    {
        string advice = sidecars <= maximum
            ? string.Create(CultureInfo.InvariantCulture, $"write {maximum / sidecars} or less, or one number for all in a ResiliencePolicy: meshLimits: {{maxConnections: {maximum}}}")
            : "even one for each is too much; ask the partner for more, or call it through fewer";
        string who = sidecars == 1 ? "1 sidecar" : string.Create(CultureInfo.InvariantCulture, $"{sidecars} sidecars");
        return limit is not > 0
            ? string.Create(CultureInfo.InvariantCulture, $"unset, so nothing limits the connections to '{host}', which takes {maximum} of all callers together; {advice} ({who})")
            : (long)limit.Value * sidecars <= maximum ? null
            : string.Create(CultureInfo.InvariantCulture, $"{who} × {limit} = {(long)limit.Value * sidecars} connections, and '{host}' takes {maximum} of all callers together; {advice}");
    }

    // A port's settings replace those of the whole rule, so each place stands for itself.
    private static IEnumerable<(string Path, int? Limit)> Places(TrafficPolicy? policy)
    {
        yield return ("spec.trafficPolicy.connectionPool.tcp.maxConnections", policy?.ConnectionPool?.Tcp?.MaxConnections);
        for (int i = 0; i < (policy?.PortLevelSettings.Length ?? 0); i++)
        {
            if (policy!.PortLevelSettings[i].ConnectionPool is { } pool)
            {
                yield return ($"spec.trafficPolicy.portLevelSettings[{i}].connectionPool.tcp.maxConnections", pool.Tcp?.MaxConnections);
            }
        }
    }

    private static bool IsMeant(string ruleHost, string host) => ruleHost == host || HostMatch.Matches(ruleHost, host);

    private static int? NumberOf(RuleDocument entry, string annotation) => entry.Annotations.TryGetValue(annotation, out string? text) ? Number(text) : null;

    private static int? Number(string text) => int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int number) && number > 0 ? number : null;

    private static Diagnostic Warning(string path, string message) => RuleSetCheck.Warning(path, message) with { Check = Check };
}
