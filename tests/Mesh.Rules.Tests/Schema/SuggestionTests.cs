using Mesh.Rules.Schema;
using Xunit;

namespace Mesh.Rules.Tests.Schema;

public sealed class SuggestionTests
{
    private static readonly string[] Known = ["host", "trafficPolicy", "subsets", "exportTo"];

    [Theory]
    [InlineData("hosst", "host")]
    [InlineData("HOST", "host")]
    [InlineData("trafficpolicy", "trafficPolicy")]
    [InlineData("trafifcPolicy", "trafficPolicy")]
    [InlineData("subset", "subsets")]
    public void Nearest_Misspelt_FindsIt(string written, string meant) => Assert.Equal(meant, Suggestion.Nearest(written, Known));

    [Theory]
    [InlineData("bogus1234")]
    [InlineData("")]
    public void Nearest_NothingNear_IsNull(string written) => Assert.Null(Suggestion.Nearest(written, Known));

    [Fact]
    public void Distance_SwappedNeighbours_IsOneEdit() => Assert.Equal(1, Suggestion.Distance("hsot", "host"));
}
