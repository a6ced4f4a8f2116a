using Mesh.ControlPlane.Coordination;
using Mesh.Rules.Wire;
using Xunit;

namespace Mesh.ControlPlane.Tests.Coordination;

/// <summary>What of a report is left out, so that the rest is heard.</summary>
public sealed class ReportCheckTests
{
    [Fact]
    public void WithoutExcess_MoreKeysThanThereIsRoomFor_KeepsWholeLimitsAndThoseThatWantMost()
    {
        LimitReport whole = Of("");
        SidecarReport report = new() { Limits = [.. Enumerable.Range(1, 520).Select(static n => Of(n.ToString("x32")) with { Wanted = n }), whole] };
        Assert.NotNull(ReportCheck.Problem(report));

        SidecarReport heard = ReportCheck.WithoutExcess(report);

        Assert.Null(ReportCheck.Problem(heard));
        Assert.Equal((ReportCheck.Most, whole), (heard.Limits.Length, heard.Limits[0]));
        Assert.Equal((520, 22), (heard.Limits[1].Wanted, heard.Limits[^1].Wanted));
    }

    [Theory]
    [InlineData("0123456789abcdef0123456789abcdef", true)]
    [InlineData("", true)]
    [InlineData("0123456789abcdef0123456789abcde", false)]
    [InlineData("0123456789abcdef0123456789abcdeg", false)]
    public void WithoutExcess_KeepsKeysThatAreHashes(string key, bool isKept) =>
        Assert.Equal(isKept ? 2 : 1, ReportCheck.WithoutExcess(new SidecarReport { Limits = [Of(key), Of("")] }).Limits.Length);

    [Fact]
    public void WithoutExcess_AllIsWell_IsTheSame()
    {
        SidecarReport report = new() { Limits = [Of(""), null!] };

        Assert.Same(report, ReportCheck.WithoutExcess(report));
        Assert.Contains("limits[1]", ReportCheck.Problem(report), StringComparison.Ordinal);
        SidecarReport broken = new() { Limits = [Of("made up"), null!] };
        Assert.Contains("limits[0]", ReportCheck.Problem(ReportCheck.WithoutExcess(broken)), StringComparison.Ordinal);
    }

    private static LimitReport Of(string key) => new() { Rule = "RateLimit/default/users", Cluster = "outbound|80||partner.test", Limit = "tokens", Key = key };
}
