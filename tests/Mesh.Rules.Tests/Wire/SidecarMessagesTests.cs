using System.Collections.Immutable;
using System.Text.Json;
using Mesh.Rules.Wire;
using Xunit;

namespace Mesh.Rules.Tests.Wire;

public sealed class SidecarMessagesTests
{
    [Fact]
    public void Registration_OnlyWhatIsRequired_HasDefaults()
    {
        SidecarRegistration read = JsonSerializer.Deserialize("""{"service":"orders","port":8080,"address":"127.0.0.1:1"}""", WireJson.Default.SidecarRegistration)!;

        Assert.Equal(("default", "HTTP", "latest", "", ""), (read.Namespace, read.Protocol, read.Version, read.Zone, read.StartedAt));
        Assert.Null(read.Node);
        Assert.Empty(read.Labels);
    }

    [Fact]
    public void Registration_Everything_RoundTrips()
    {
        SidecarRegistration written = new()
        {
            Node = "orders-1",
            Service = "orders",
            Namespace = "shop",
            Port = 1,
            Protocol = "TCP",
            Address = "[::1]:2",
            Labels = ImmutableSortedDictionary<string, string>.Empty.Add("a", "b"),
            Version = "v1",
            Zone = "z",
            StartedAt = "2030-01-01T00:00:00Z",
        };

        SidecarRegistration read = JsonSerializer.Deserialize(JsonSerializer.Serialize(written, WireJson.Default.SidecarRegistration), WireJson.Default.SidecarRegistration)!;

        Assert.Equal(written.Labels.AsEnumerable(), read.Labels);
        Assert.Equal(written, read with { Labels = written.Labels });
    }

    [Fact]
    public void Report_Empty_IsReady()
    {
        SidecarReport read = JsonSerializer.Deserialize("{}", WireJson.Default.SidecarReport)!;

        Assert.Equal(("", true), (read.Version, read.Ready));
    }

    [Fact]
    public void Ack_WithoutFindings_HasNone()
    {
        SidecarAck read = JsonSerializer.Deserialize("""{"version":"v","accepted":true}""", WireJson.Default.SidecarAck)!;

        Assert.Empty(read.Findings);
    }

    [Theory]
    [InlineData("""{"service":null,"port":1,"address":"a"}""")]
    [InlineData("""{"service":"a","port":1,"address":"a","namespace":null}""")]
    [InlineData("""{"service":"a","port":1}""")]
    public void Registration_NullOrMissing_IsRefused(string json)
    {
        Assert.Throws<JsonException>(() => JsonSerializer.Deserialize(json, WireJson.Default.SidecarRegistration));
    }
}
