using System.Buffers;
using System.Text;
using System.Text.Json;
using Mesh.Rules.Snapshots;
using Mesh.Sidecar.Admin;
using Xunit;

namespace Mesh.Sidecar.Tests.Admin;

public sealed class ConcurrencyPageTests
{
    [Fact]
    public void WriteConfig_AdaptiveBulkhead_IsThereWithAllItDoes() => Assert.Equal(
        """
        {"concurrency":{"source":"default/rp#spec","shadow":false,"max_concurrent_calls":20,"max_wait_duration":"0.5s","max_queue":10,
        "adaptive":{"min_concurrency":4,"max_concurrency":90,"concurrency_update_interval":"2s","request_count":70,"buffer":30}}}
        """.Replace("\n", "", StringComparison.Ordinal),
        Written(new ConcurrencyConfig
        {
            Source = "default/rp#spec",
            MaxCalls = 20,
            MaxWait = TimeSpan.FromSeconds(0.5),
            MaxQueue = 10,
            Adaptive = new AdaptiveConcurrencyConfig { MinCalls = 4, MaxCalls = 90, UpdateInterval = TimeSpan.FromSeconds(2), RequestCount = 70, BufferPercent = 30 },
        }));

    [Fact]
    public void WriteConfig_FixedBulkhead_SaysThatItIs() => Assert.Equal(
        """{"concurrency":{"source":"","shadow":true,"max_concurrent_calls":25,"max_wait_duration":"0s","max_queue":0,"adaptive":null}}""",
        Written(new ConcurrencyConfig { IsShadow = true }));

    [Fact]
    public void WriteConfig_WithoutOne_SaysSo() => Assert.Equal("""{"concurrency":null}""", Written(null));

    private static string Written(ConcurrencyConfig? config)
    {
        ArrayBufferWriter<byte> written = new();
        using (Utf8JsonWriter json = new(written))
        {
            json.WriteStartObject();
            ConcurrencyPage.WriteConfig(json, config);
            json.WriteEndObject();
        }

        return Encoding.UTF8.GetString(written.WrittenSpan);
    }
}
