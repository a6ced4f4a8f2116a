using System.Buffers;
using System.Text;
using System.Text.Json;
using Mesh.Rules.Snapshots;
using Mesh.Sidecar.Admin;
using Xunit;

namespace Mesh.Sidecar.Tests.Admin;

public sealed class RateLimitPageTests
{
    [Fact]
    public void WriteConfig_Limit_IsThereWithAllItDoes() => Assert.Equal(
        """
        {"rate_limits":[{"source":"default/rl#spec","shadow":true,"scope":"sidecar","tokens":80,"interval":"60s","burst":10,"plan":"2400000 in 21600s","key":"Header:x-user","max_keys":500,
        "paths":["/pay/*"],"exempt_paths":["/pay/cancel"],"headers":["x-class: Exact batch"],"max_wait":"2.5s","max_queue":20,"allowed_hours":"22:00-06:00 Asia/Seoul"}]}
        """.Replace("\n", "", StringComparison.Ordinal),
        Written(new RateLimitConfig
        {
            Source = "default/rl#spec",
            IsShadow = true,
            Tokens = 80,
            Interval = TimeSpan.FromMinutes(1),
            Burst = 10,
            Plan = new PlanConfig(2_400_000, TimeSpan.FromHours(6)),
            KeySource = RateLimitKeySource.Header,
            KeyName = "x-user",
            MaxKeys = 500,
            Paths = ["/pay/*"],
            ExemptPaths = ["/pay/cancel"],
            Headers = [new NamedMatch("x-class", new(StringMatchKind.Exact, "batch"))],
            MaxWait = TimeSpan.FromSeconds(2.5),
            MaxQueue = 20,
            AllowedHours = new AllowedHoursConfig(new TimeOnly(22, 0), new TimeOnly(6, 0), "Asia/Seoul"),
        }));

    [Fact]
    public void WriteConfig_WithoutALimit_SaysSo() => Assert.Equal("""{"rate_limits":[]}""", Written(null));

    private static string Written(RateLimitConfig? config)
    {
        ArrayBufferWriter<byte> written = new();
        using (Utf8JsonWriter json = new(written))
        {
            json.WriteStartObject();
            RateLimitPage.WriteConfig(json, config is null ? null : new RateLimitConfigs(config));
            json.WriteEndObject();
        }

        return Encoding.UTF8.GetString(written.WrittenSpan);
    }
}
