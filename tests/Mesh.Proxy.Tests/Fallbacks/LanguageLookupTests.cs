using Mesh.Proxy.Fallbacks;
using Xunit;

namespace Mesh.Proxy.Tests.Fallbacks;

public sealed class LanguageLookupTests
{
    private static readonly string[] Tags = ["de", "en", "ko", "pt-BR", "zh-Hant"];

    [Theory]
    [InlineData("ko", "ko")]
    [InlineData("ko-KR", "ko")]
    [InlineData("KO-kr;q=0.9, en;q=0.8", "ko")]
    [InlineData("fr, en;q=0.5, de;q=0.7", "de")]
    [InlineData("en;q=0, ko;q=0.1", "ko")]
    [InlineData("zh-Hant-CN-x-private1-private2", "zh-Hant")]
    [InlineData("zh-x-Hant", null)]
    [InlineData("pt", null)] // a lookup shortens what is wanted, not what there is
    [InlineData("pt-br", "pt-BR")]
    [InlineData("fr", null)]
    [InlineData("*", null)]
    [InlineData("fr, *;q=0.5", null)]
    [InlineData("", null)]
    [InlineData(",,;q=1,-,en;q=x", null)]
    [InlineData("en , ko", "en")] // equal weights: in the order written
    public void Find_LooksUpAsRfc4647(string accept, string? found) =>
        Assert.Equal(found, LanguageLookup.Find(accept, Tags) is >= 0 and int at ? Tags[at] : null);

    [Fact]
    public void Find_OfAVeryLongList_LooksAtItsBeginning() =>
        Assert.Equal(-1, LanguageLookup.Find(string.Concat(Enumerable.Repeat("xx,", 40)) + "ko", Tags));
}
