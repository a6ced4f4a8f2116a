using Mesh.Rules.Schema;
using Xunit;

namespace Mesh.Rules.Tests.Schema;

public sealed class PlainScalarTests
{
    [Theory]
    [InlineData("1", "Number", "1")]
    [InlineData("-1", "Number", "-1")]
    [InlineData("+1", "Number", "1")]
    [InlineData("1_000", "Number", "1000")]
    [InlineData("0x1F", "Number", "31")]
    [InlineData("0o17", "Number", "15")]
    [InlineData("017", "Number", "15")]
    [InlineData("1.50", "Number", "1.50")]
    [InlineData(".5", "Number", "0.5")]
    [InlineData("1e3", "Number", "1e3")]
    [InlineData("yes", "Bool", "true")]
    [InlineData("Off", "Bool", "false")]
    [InlineData("y", "Text", "y")]
    [InlineData("~", "Null", "")]
    [InlineData("", "Null", "")]
    [InlineData("10s", "Text", "10s")]
    [InlineData("100%", "Text", "100%")]
    [InlineData("1.2.3.4", "Text", "1.2.3.4")]
    [InlineData("2026-01-01", "Text", "2026-01-01")]
    [InlineData(".inf", "Text", ".inf")]
    [InlineData("-", "Text", "-")]
    public void Resolve_PlainText_AsKubernetesTools(string text, string kind, string value)
    {
        Assert.Equal(kind, PlainScalar.Resolve(text, out string actual).ToString());
        Assert.Equal(value, actual);
    }
}
