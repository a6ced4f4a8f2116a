using Mesh.Rules.Kinds;
using Mesh.Rules.Snapshots;
using Xunit;

namespace Mesh.Rules.Compilation;

/// <summary>The loadBalancer block and its defaults (semantics 1.3).</summary>
public sealed class LoadBalancerCompilerTests
{
    [Theory]
    [InlineData(null, LoadBalancerPolicy.LeastRequest)]
    [InlineData("UNSPECIFIED", LoadBalancerPolicy.LeastRequest)]
    [InlineData("LEAST_CONN", LoadBalancerPolicy.LeastRequest)]
    [InlineData("LEAST_REQUEST", LoadBalancerPolicy.LeastRequest)]
    [InlineData("ROUND_ROBIN", LoadBalancerPolicy.RoundRobin)]
    [InlineData("RANDOM", LoadBalancerPolicy.Random)]
    public void Policy_IsIstios(string? simple, LoadBalancerPolicy expected) =>
        Assert.Equal(expected, LoadBalancerCompiler.Policy(new LoadBalancerSettings { Simple = simple }));

    [Fact]
    public void Hash_Keys_AreTold()
    {
        Assert.Null(LoadBalancerCompiler.Hash(null));
        Assert.Equal(new HashConfig { Source = HashKeySource.Header, Name = "x" }, LoadBalancerCompiler.Hash(new ConsistentHash { HttpHeaderName = "x" }));
        Assert.Equal(
            new HashConfig { Source = HashKeySource.QueryParameter, Name = "q" }, LoadBalancerCompiler.Hash(new ConsistentHash { HttpQueryParameterName = "q" }));
        Assert.Equal(new HashConfig { Source = HashKeySource.SourceIp }, LoadBalancerCompiler.Hash(new ConsistentHash { UseSourceIp = true }));
    }

    [Fact]
    public void Hash_Sizes_HaveDefaults()
    {
        Assert.Equal((1024, 0), Sizes(new ConsistentHash()));
        Assert.Equal((1024, 0), Sizes(new ConsistentHash { RingHash = new RingHash { MinimumRingSize = 0 } }));
        Assert.Equal((4096, 0), Sizes(new ConsistentHash { RingHash = new RingHash { MinimumRingSize = 4096 } }));
        Assert.Equal((2048, 0), Sizes(new ConsistentHash { MinimumRingSize = 2048 }));
        Assert.Equal((1024, 251), Sizes(new ConsistentHash { Maglev = new Maglev { TableSize = 251 } }));
    }

    [Fact]
    public void Cookie_WithoutTtl_IsOnlyRead() => Assert.Null(Cookie(new HttpCookie { Name = "user", Path = "/" }));

    [Fact]
    public void Cookie_WithTtl_IsGeneratedWithItsAttributes()
    {
        Assert.Equal("; HttpOnly", Cookie(new HttpCookie { Name = "user", Ttl = TimeSpan.Zero })); // a session cookie
        Assert.Equal("; Max-Age=90; Path=/shop; SameSite=Strict; Secure; HttpOnly", Cookie(new HttpCookie
        {
            Name = "user",
            Ttl = TimeSpan.FromSeconds(90),
            Path = "/shop",
            Attributes = [new CookieAttributeSettings { Name = "SameSite", Value = "Strict" }, new CookieAttributeSettings { Name = "Secure" }],
        }));
    }

    [Fact]
    public void Warmup_OldAndNewForm_HaveEnvoysDefaults()
    {
        TimeSpan minute = TimeSpan.FromMinutes(1);

        Assert.Null(LoadBalancerCompiler.Warmup(new LoadBalancerSettings()));
        Assert.Equal(new WarmupConfig(minute, 10, 1), LoadBalancerCompiler.Warmup(new LoadBalancerSettings { WarmupDurationSecs = minute }));
        Assert.Equal(new WarmupConfig(minute, 10, 1), LoadBalancerCompiler.Warmup(new LoadBalancerSettings { Warmup = new WarmupConfiguration { Duration = minute } }));
        Assert.Equal(new WarmupConfig(minute, 25, 2), LoadBalancerCompiler.Warmup(new LoadBalancerSettings
        {
            Warmup = new WarmupConfiguration { Duration = minute, MinimumPercent = 25, Aggression = 2 },
        }));
    }

    private static (long Ring, int Maglev) Sizes(ConsistentHash hash)
    {
        HashConfig config = LoadBalancerCompiler.Hash(hash)!;
        return (config.MinimumRingSize, config.MaglevTableSize);
    }

    private static string? Cookie(HttpCookie cookie)
    {
        HashConfig config = LoadBalancerCompiler.Hash(new ConsistentHash { HttpCookie = cookie })!;
        Assert.Equal((HashKeySource.Cookie, "user"), (config.Source, config.Name));
        return config.CookieAttributes;
    }
}
