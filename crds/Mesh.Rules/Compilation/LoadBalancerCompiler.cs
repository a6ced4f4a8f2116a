using System.Globalization;
using System.Text;
using Mesh.Rules.Kinds;
using Mesh.Rules.Snapshots;

namespace Mesh.Rules.Compilation;

/// <summary>The loadBalancer block, with Istio's defaults (semantics 1.3). Pure.</summary>
internal static class LoadBalancerCompiler
{
    /// <summary>The policy; also of a block that hashes, which needs none.</summary>
    public static LoadBalancerPolicy Policy(LoadBalancerSettings? settings) => settings?.Simple switch
    {
        "ROUND_ROBIN" => LoadBalancerPolicy.RoundRobin,
        "RANDOM" => LoadBalancerPolicy.Random,
        _ => LoadBalancerPolicy.LeastRequest, // also LEAST_CONN, its old name
    };

    /// <summary>Consistent hashing, or null.</summary>
    public static HashConfig? Hash(ConsistentHash? settings)
    {
        if (settings is null)
        {
            return null;
        }

        (HashKeySource source, string name) = settings switch
        {
            { HttpHeaderName: { } header } => (HashKeySource.Header, header),
            { HttpCookie.Name: { } cookie } => (HashKeySource.Cookie, cookie),
            { HttpQueryParameterName: { } parameter } => (HashKeySource.QueryParameter, parameter),
            { UseSourceIp: true } => (HashKeySource.SourceIp, ""),
            _ => (HashKeySource.Header, ""), // a key that no request has: at random, as in Envoy
        };
        HashConfig defaults = new() { Source = source, Name = name };
        long ring = settings.RingHash?.MinimumRingSize ?? settings.MinimumRingSize ?? 0;
        return defaults with
        {
            CookieAttributes = source == HashKeySource.Cookie ? CookieAttributes(settings.HttpCookie!) : null,
            MaglevTableSize = (int)(settings.Maglev?.TableSize ?? 0),
            MinimumRingSize = ring > 0 ? ring : defaults.MinimumRingSize,
        };
    }

    /// <summary>Slow start, or null.</summary>
    public static WarmupConfig? Warmup(LoadBalancerSettings? settings)
    {
        TimeSpan window = settings?.Warmup?.Duration ?? settings?.WarmupDurationSecs ?? TimeSpan.Zero;
        if (window <= TimeSpan.Zero)
        {
            return null;
        }

        WarmupConfig defaults = new(window);
        return defaults with
        {
            MinimumPercent = settings!.Warmup?.MinimumPercent ?? defaults.MinimumPercent,
            Aggression = settings.Warmup?.Aggression ?? defaults.Aggression,
        };
    }

    // As Envoy writes them: a cookie that only the mesh reads is none of a script's business.
    private static string? CookieAttributes(HttpCookie cookie)
    {
        if (cookie.Ttl is not { } ttl)
        {
            return null;
        }

        StringBuilder text = new();
        if (ttl > TimeSpan.Zero)
        {
            text.Append(CultureInfo.InvariantCulture, $"; Max-Age={(long)ttl.TotalSeconds}");
        }

        if (!string.IsNullOrEmpty(cookie.Path))
        {
            text.Append("; Path=").Append(cookie.Path);
        }

        foreach (CookieAttributeSettings attribute in cookie.Attributes)
        {
            text.Append("; ").Append(attribute.Name);
            if (!string.IsNullOrEmpty(attribute.Value))
            {
                text.Append('=').Append(attribute.Value);
            }
        }

        return text.Append("; HttpOnly").ToString();
    }
}
