using System.Globalization;
using Mesh.Rules.Kinds;
using Mesh.Rules.Reading;
using Mesh.Rules.Resolution;
using Mesh.Rules.Snapshots;

namespace Mesh.Rules.Compilation;

/// <summary>Fallback → cluster, with the defaults filled in. Pure.</summary>
internal static class FallbackCompiler
{
    /// <summary>The cluster under <paramref name="rule"/>; without one, as it is.</summary>
    public static ClusterConfig Apply(ClusterConfig cluster, RuleDocument? rule) =>
        rule?.Spec is Fallback fallback ? cluster with { Fallback = Compile(cluster, fallback, rule.Key) } : cluster;

    private static FallbackConfig Compile(ClusterConfig cluster, Fallback fallback, RuleKey key)
    {
        FallbackConfig defaults = new();
        return new FallbackConfig
        {
            IsShadow = fallback.Mode == Fallback.ShadowMode,
            Causes = fallback.Triggers.IsEmpty ? FallbackCauses.Default : fallback.Triggers.Aggregate(FallbackCauses.None, static (all, word) => all | Cause(word)),
            Codes = [.. fallback.Triggers.Where(static w => char.IsAsciiDigit(w[0])).Select(static w => int.Parse(w, NumberStyles.None, CultureInfo.InvariantCulture)).Order()],
            Methods = fallback.Methods.IsEmpty ? defaults.Methods : fallback.Methods,
            LastGood = fallback.LastGood is { } lastGood ? Compile(lastGood) : null,
            Cluster = fallback.Destination is { Host: { } host } destination
                ? ClusterCompiler.OutboundName(HostMatch.Expand(host, key.Namespace), destination.Port?.Number ?? cluster.Port, destination.Subset ?? "") : null,
            Static = fallback.Static is { } answer ? Compile(answer) : null,
            Source = $"{key.Namespace}/{key.Name}#spec",
        };
    }

    private static LastGoodConfig Compile(LastGood lastGood)
    {
        LastGoodConfig defaults = new();
        return new LastGoodConfig
        {
            MaxAge = lastGood.MaxAge ?? defaults.MaxAge,
            MaxEntries = lastGood.MaxEntries ?? defaults.MaxEntries,
            MaxBytes = lastGood.MaxBytes ?? defaults.MaxBytes,
            Vary = [.. lastGood.Vary.Select(static v => v.ToLowerInvariant()).Distinct().Order(StringComparer.Ordinal)],
            IsShared = lastGood.Shared == true,
        };
    }

    private static StaticAnswerConfig Compile(StaticAnswer answer)
    {
        StaticAnswerConfig defaults = new();
        return new StaticAnswerConfig
        {
            Status = answer.Status ?? defaults.Status,
            ContentType = answer.ContentType ?? defaults.ContentType,
            Headers = [.. answer.Headers.Select(static h => KeyValuePair.Create(h.Key.ToLowerInvariant(), h.Value))],
            Body = answer.Body ?? "",
            Bodies = [.. answer.Bodies],
        };
    }

    private static FallbackCauses Cause(string word) => word switch
    {
        "open" => FallbackCauses.Open,
        "overflow" => FallbackCauses.Overflow,
        "timeout" => FallbackCauses.Timeout,
        "no-healthy-upstream" => FallbackCauses.NoHealthyUpstream,
        "connect-failure" => FallbackCauses.ConnectFailure,
        "reset" => FallbackCauses.Reset,
        "rate-limited" => FallbackCauses.RateLimited,
        _ => FallbackCauses.None,
    };
}
