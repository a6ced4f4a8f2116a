using Mesh.Proxy.Http1;
using Xunit;

namespace Mesh.Proxy.Tests.Http1;

/// <summary>Paths as rules and upstreams see them.</summary>
public sealed class PathNormalizerTests
{
    [Theory]
    [InlineData("/", "/")]
    [InlineData("/a/b.c?d=/../%zz", "/a/b.c?d=/../%zz")]
    [InlineData("/a/./b", "/a/b")]
    [InlineData("/a/../b", "/b")]
    [InlineData("/a/b/..", "/a/")]
    [InlineData("/a/b/.", "/a/b/")]
    [InlineData("/.", "/")]
    [InlineData("/a/..", "/")]
    [InlineData("/a/b/../../c/./d?x", "/c/d?x")]
    [InlineData("/a/.b/..c/...", "/a/.b/..c/...")]
    [InlineData("/.well-known/x", "/.well-known/x")]
    [InlineData("/%61%2D%2e%5f%7E", "/a-._~")]
    [InlineData("/a/%2e%2E/b", "/b")]
    [InlineData("/a/.%2e/b", "/b")]
    [InlineData("\\\\a\\..\\b", "//b")]
    [InlineData("/a\\b?c\\d", "/a/b?c\\d")]
    [InlineData("//a//b", "//a//b")]
    [InlineData("/a//../b", "/a/b")]
    [InlineData("/a%2Fb%2f..", "/a%2Fb%2f..")]
    [InlineData("/a%5c..", "/a%5c..")]
    [InlineData("/%25%32%65", "/%252e")]
    [InlineData("/a%20b%C3%A9", "/a%20b%C3%A9")]
    [InlineData("/..;/a", "/..;/a")]
    [InlineData("/%41?", "/A?")]
    public void Normalize_WellFormed_GivesTheOneForm_AndThatStays(string target, string expected)
    {
        Assert.Equal(expected, Normalize(target));
        Assert.Equal(expected, Normalize(expected));
    }

    [Theory]
    [InlineData("/..")]
    [InlineData("/../a")]
    [InlineData("/a/../..")]
    [InlineData("/./../a")]
    [InlineData("/a\\..\\..")]
    [InlineData("/%2e%2e?x")]
    [InlineData("/%")]
    [InlineData("/%4")]
    [InlineData("/%4?1")]
    [InlineData("/%g0")]
    [InlineData("/%0g")]
    [InlineData("/%%32e")]
    [InlineData("/%00")]
    public void Normalize_BrokenOrOutOfTheRoot_IsRefused(string target) => Assert.Null(Normalize(target));

    private static string? Normalize(string target)
    {
        byte[] bytes = Wire.Bytes(target);
        int length = PathNormalizer.Normalize(bytes);
        return length < 0 ? null : Wire.Text(bytes.AsSpan(0, length));
    }
}
