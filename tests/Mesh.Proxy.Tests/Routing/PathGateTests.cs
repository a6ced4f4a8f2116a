using System.Text;
using Mesh.Proxy.Routing;
using Mesh.Rules.Snapshots;
using Xunit;

namespace Mesh.Proxy.Tests.Routing;

public sealed class PathGateTests
{
    [Fact]
    public void LetsIn_RandomTexts_NeverTurnsAwayWhatFits()
    {
        Random random = new(20261121);
        int turnedAway = 0;
        for (int i = 0; i < 20_000; i++)
        {
            StringMatch match = new(random.Next(2) == 0 ? StringMatchKind.Exact : StringMatchKind.Prefix, Text(random));
            byte[] path = Encoding.ASCII.GetBytes(random.Next(3) == 0 ? match.Value + Text(random) : Text(random));
            bool fits = new TextMatcher(match).Fits(path);
            bool isLetIn = PathGate.Of(match, ignoresCase: false).LetsIn(path, PathGate.Head(path));

            Assert.True(isLetIn || !fits, $"{match} turned {Encoding.ASCII.GetString(path)} away");
            turnedAway += isLetIn ? 0 : 1;
        }

        Assert.True(turnedAway > 5_000, $"a gate that lets all in is none: {turnedAway} turned away");
    }

    [Theory]
    [InlineData("/route/49/", "/route/48/x", false)]
    [InlineData("/route/49/", "/route/49/x", true)]
    [InlineData("/route/49/", "/route/49", false)]
    [InlineData("/", "/anything", true)]
    [InlineData("", "/anything", true)]
    [InlineData("/12345678", "/12345678", true)]
    [InlineData("/1234567", "/1234568", false)]
    public void LetsIn_Prefix_GoesByItsLastBytes(string prefix, string path, bool expected)
    {
        byte[] bytes = Encoding.ASCII.GetBytes(path);
        Assert.Equal(expected, PathGate.Of(new StringMatch(StringMatchKind.Prefix, prefix), ignoresCase: false).LetsIn(bytes, PathGate.Head(bytes)));
    }

    [Fact]
    public void LetsIn_WhatIsNotComparedByteByByte_IsOpen()
    {
        byte[] path = "/a"u8.ToArray();
        Assert.True(PathGate.Of(null, ignoresCase: false).LetsIn(path, PathGate.Head(path)));
        Assert.True(PathGate.Of(new StringMatch(StringMatchKind.Regex, "/b"), ignoresCase: false).LetsIn(path, PathGate.Head(path)));
        Assert.True(PathGate.Of(new StringMatch(StringMatchKind.Exact, "/A"), ignoresCase: true).LetsIn(path, PathGate.Head(path)));
    }

    // Of few letters, so that much fits by chance.
    private static string Text(Random random) => "/" + new string([.. Enumerable.Range(0, random.Next(12)).Select(_ => random.Next(8) == 0 ? 'b' : 'a')]);
}
