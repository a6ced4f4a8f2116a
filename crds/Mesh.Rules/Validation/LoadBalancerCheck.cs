using Mesh.Rules.Kinds;
using Mesh.Rules.Schema;

namespace Mesh.Rules.Validation;

/// <summary>Cross-field checks of load balancing. Texts are Istio's where it has one.</summary>
internal static class LoadBalancerCheck
{
    public static void Check(LoadBalancerSettings settings, bool hasOutlierDetection, Cursor at)
    {
        if (settings.Simple is not null && settings.ConsistentHash is not null)
        {
            at.Error("only one of simple and consistentHash may be set");
        }

        if (settings.LocalityLbSetting is not null && settings.ZoneAwareLbSetting is not null)
        {
            at.Error("only one of localityLbSetting and zoneAwareLbSetting may be set");
        }

        if (settings.ConsistentHash is { } hash)
        {
            CheckHash(hash, at.Field("consistentHash"));
        }

        if (settings.LocalityLbSetting is { } locality)
        {
            CheckLocality(locality, hasOutlierDetection, at.Field("localityLbSetting"));
        }

        bool canWarmUp = settings.ConsistentHash is null
            && settings.Simple is null or "UNSPECIFIED" or "ROUND_ROBIN" or "LEAST_REQUEST" or "LEAST_CONN";
        if ((settings.Warmup is not null || settings.WarmupDurationSecs is not null) && !canWarmUp)
        {
            at.Error("warmup is only supported for ROUND_ROBIN and LEAST_REQUEST");
        }

        if (settings.Warmup?.Aggression is <= 0)
        {
            at.Field("warmup").Field("aggression").Error("aggression must be greater than 0");
        }
    }

    private static void CheckHash(ConsistentHash hash, Cursor at)
    {
        int keys = (hash.HttpHeaderName is null ? 0 : 1) + (hash.HttpCookie is null ? 0 : 1)
            + (hash.UseSourceIp is null ? 0 : 1) + (hash.HttpQueryParameterName is null ? 0 : 1);
        if (keys > 1)
        {
            at.Error("only one of httpHeaderName, httpCookie, useSourceIp and httpQueryParameterName may be set");
        }

        if (hash.HttpCookie is { } cookie)
        {
            CheckCookie(cookie, at.Field("httpCookie"));
        }

        if (hash.RingHash is not null && hash.Maglev is not null)
        {
            at.Error("only one of ringHash and maglev may be set");
        }

        if (hash.MinimumRingSize is not null && (hash.RingHash is not null || hash.Maglev is not null))
        {
            at.Field("minimumRingSize").Error("only one of minimumRingSize, ringHash and maglev may be set");
        }

        if (hash.Maglev is { } maglev)
        {
            CheckMaglev(maglev.TableSize ?? 0, at.Field("maglev").Field("tableSize"));
        }
    }

    private static void CheckMaglev(long size, Cursor at)
    {
        if (size == 0)
        {
            at.Error("tableSize must be set for maglev", DiagnosticCode.Required);
        }
        else if (size >= 5_000_011)
        {
            at.Error("tableSize must be less than 5000011 for maglev");
        }
        else if (!IsPrime(size))
        {
            at.Error($"tableSize must be a prime number for maglev, was {size}; write for example 65537");
        }
    }

    private static void CheckCookie(HttpCookie cookie, Cursor at)
    {
        if (cookie.Name is "")
        {
            at.Field("name").Error("name required for HttpCookie", DiagnosticCode.Required);
        }

        CheckCookieText(cookie.Name, at.Field("name"));
        CheckCookieText(cookie.Path, at.Field("path"));

        HashSet<string> names = new(StringComparer.OrdinalIgnoreCase);
        for (int i = 0; i < cookie.Attributes.Length; i++)
        {
            Cursor name = at.Field("attributes").Item(i).Field("name");
            CheckCookieText(cookie.Attributes[i].Name, name);
            CheckCookieText(cookie.Attributes[i].Value, at.Field("attributes").Item(i).Field("value"));
            switch (cookie.Attributes[i].Name)
            {
                case "":
                    name.Error("name required for a cookie attribute", DiagnosticCode.Required);
                    break;
                case { } written when !names.Add(written):
                    name.Error($"duplicate cookie attribute: {written}");
                    break;
            }
        }
    }

    // Ours: it goes into a header of the answer, where these end the value or the line.
    private static void CheckCookieText(string? text, Cursor at)
    {
        if (text?.AsSpan().IndexOfAnyExceptInRange('!', '~') >= 0 || text?.AsSpan().IndexOfAny(';', ',') >= 0)
        {
            at.Error($"a cookie cannot hold {RuleNode.Quote(text)}; leave out blanks, ';', ',' and all but ASCII");
        }
    }

    private static void CheckLocality(LocalityLbSetting locality, bool hasOutlierDetection, Cursor at)
    {
        if (!locality.Distribute.IsEmpty && !locality.Failover.IsEmpty)
        {
            at.Error("can not simultaneously specify 'distribute' and 'failover'");
        }

        if ((!locality.Failover.IsEmpty || !locality.FailoverPriority.IsEmpty) && !hasOutlierDetection)
        {
            at.Warn("outlier detection policy must be provided for failover");
        }

        for (int i = 0; i < locality.Distribute.Length; i++)
        {
            CheckWeights(locality.Distribute[i], at.Field("distribute").Item(i).Field("to"));
        }

        for (int i = 0; i < locality.Failover.Length; i++)
        {
            (LocalityFailover failover, Cursor here) = (locality.Failover[i], at.Field("failover").Item(i));
            CheckRegion(failover.From, here.Field("from"));
            CheckRegion(failover.To, here.Field("to"));
            if (failover.From == failover.To)
            {
                here.Error("locality lb failover settings must specify different regions");
            }
        }
    }

    private static void CheckRegion(string? region, Cursor at)
    {
        if (region is null or "" || region.Contains('/', StringComparison.Ordinal) || region.Contains('*', StringComparison.Ordinal))
        {
            at.Error($"locality lb failover only specify region, was {RuleNode.Quote(region ?? "")}; write a region without '/' and '*'");
        }
    }

    private static void CheckWeights(LocalityDistribute distribute, Cursor at)
    {
        long total = 0;
        foreach ((string locality, int weight) in distribute.To)
        {
            total += weight;
            if (weight is < 1 or > 100)
            {
                at.Field(locality).Error($"locality weight must be in range [1, 100], was {weight}");
            }
        }

        if (total != 100)
        {
            at.Error($"total locality weight {total} != 100");
        }
    }

    private static bool IsPrime(long number)
    {
        if (number < 4)
        {
            return number > 1;
        }

        for (long divisor = 2; divisor * divisor <= number; divisor++)
        {
            if (number % divisor == 0)
            {
                return false;
            }
        }

        return true;
    }
}
