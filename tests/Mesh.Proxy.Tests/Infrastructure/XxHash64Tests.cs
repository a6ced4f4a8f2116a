using System.Text;
using Mesh.Proxy.Infrastructure;
using Xunit;

namespace Mesh.Proxy.Tests.Infrastructure;

/// <summary>Published values of XXH64: each of the branches (empty, tail bytes, four, eight, stripes of 32).</summary>
public sealed class XxHash64Tests
{
    [Theory]
    [InlineData("", 0xEF46DB3751D8E999)]
    [InlineData("a", 0xD24EC4F1A98C6E5B)]
    [InlineData("abc", 0x44BC2CF5AD770999)]
    [InlineData("Nobody inspects the spammish repetition", 0xFBCEA83C8A378BF1)]
    public void Of_PublishedVectors_AreEqual(string text, ulong expected) => Assert.Equal(expected, XxHash64.Of(Encoding.ASCII.GetBytes(text)));

    [Fact]
    public void Of_AnotherSeed_IsAnotherHash() => Assert.NotEqual(XxHash64.Of("abc"u8), XxHash64.Of("abc"u8, seed: 1));

    [Fact]
    public void Of_EveryLength_HasAHashOfItsOwn()
    {
        byte[] zeros = new byte[100];

        Assert.Equal(101, Enumerable.Range(0, 101).Select(n => XxHash64.Of(zeros.AsSpan(0, n))).Distinct().Count());
    }
}
