using System.Globalization;
using System.Text;
using Mesh.Rules.Snapshots;

namespace Mesh.Proxy.Routing;

/// <summary>The cross-origin policy of a route, made ready. Immutable.</summary>
internal sealed class CorsPolicy(CorsConfig config)
{
    private readonly TextMatcher[] _origins = [.. config.AllowOrigins.Select(static o => new TextMatcher(o))];

    /// <summary>Whether a preflight from an origin that is not allowed goes to the upstream.</summary>
    public bool ForwardsUnmatchedPreflights => config.ForwardsUnmatchedPreflights;

    /// <summary>Whether pages of <paramref name="origin"/> may read answers.</summary>
    public bool Allows(ReadOnlySpan<byte> origin)
    {
        foreach (TextMatcher allowed in _origins)
        {
            if (allowed.Fits(origin))
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>The fields of an answer to <paramref name="origin"/>, in place of the upstream's own.</summary>
    public HeaderChanges Grant(ReadOnlySpan<byte> origin, bool isPreflight)
    {
        List<KeyValuePair<string, string>> fields = [];
        Add("access-control-allow-origin", Encoding.UTF8.GetString(origin));
        Add("access-control-allow-credentials", config.AllowCredentials ? "true" : "");
        Add("access-control-allow-methods", isPreflight ? config.AllowMethods : "");
        Add("access-control-allow-headers", isPreflight ? config.AllowHeaders : "");
        Add("access-control-max-age", isPreflight ? config.MaxAgeSeconds?.ToString(CultureInfo.InvariantCulture) ?? "" : "");
        Add("access-control-expose-headers", isPreflight ? "" : config.ExposeHeaders);
        return new HeaderChanges([.. fields], [], []);

        void Add(string name, string value)
        {
            if (value.Length > 0)
            {
                fields.Add(KeyValuePair.Create(name, value));
            }
        }
    }
}
