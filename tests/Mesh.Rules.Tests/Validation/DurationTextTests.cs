using Mesh.Rules.Validation;
using Xunit;

namespace Mesh.Rules.Tests.Validation;

public sealed class DurationTextTests
{
    [Theory]
    [InlineData("10s", 10_000)]
    [InlineData("250ms", 250)]
    [InlineData("1m30s", 90_000)]
    [InlineData("1.5s", 1_500)]
    [InlineData("1h", 3_600_000)]
    [InlineData("1000us", 1)]
    [InlineData("1000000ns", 1)]
    [InlineData(".5s", 500)]
    [InlineData("+1s", 1_000)]
    public void Check_GoodText_GivesDuration(string text, int milliseconds)
    {
        Assert.Null(DurationText.Check(text, allowZero: false, out TimeSpan value));
        Assert.Equal(TimeSpan.FromMilliseconds(milliseconds), value);
    }

    [Theory]
    [InlineData("")]
    [InlineData("10")]
    [InlineData("s")]
    [InlineData("10 s")]
    [InlineData("10sec")]
    [InlineData("1d")]
    [InlineData("1.2.3s")]
    [InlineData("99999999999999999999999h")]
    [InlineData("-")]
    public void Check_NoDuration_SaysWhatToWrite(string text) =>
        Assert.Contains("such as 10s, 250ms or 1m30s", DurationText.Check(text, allowZero: true, out _), StringComparison.Ordinal);

    [Theory]
    [InlineData("0s", DurationText.TooShort)]
    [InlineData("-1s", DurationText.TooShort)]
    [InlineData("999us", DurationText.TooShort)]
    [InlineData("1001us", DurationText.TooFine)]
    public void Check_OutsideIstiosRules_GivesIstiosText(string text, string expected) =>
        Assert.StartsWith(expected, DurationText.Check(text, allowZero: false, out _), StringComparison.Ordinal);

    [Theory]
    [InlineData("0s")]
    [InlineData("0")]
    public void Check_ZeroAllowed_IsZero(string text)
    {
        Assert.Null(DurationText.Check(text, allowZero: true, out TimeSpan value));
        Assert.Equal(TimeSpan.Zero, value);
    }
}
