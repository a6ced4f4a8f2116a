using System.Net;
using Mesh.Proxy.Infrastructure;
using Xunit;

namespace Mesh.Proxy.Tests.Infrastructure;

public sealed class OwnAddressTests
{
    [Theory]
    [InlineData("127.0.0.1:15001", "127.0.0.1", 15001, true)]
    [InlineData("127.0.0.1:15001", "::ffff:127.0.0.1", 15001, true)]
    [InlineData("127.0.0.1:15001", "0.0.0.0", 15001, true)]
    [InlineData("127.0.0.1:15001", "::", 15001, true)]
    [InlineData("0.0.0.0:15006", "10.1.1.1", 15006, true)]
    [InlineData("[::]:15006", "10.1.1.1", 15006, true)]
    [InlineData("127.0.0.1:15001", "127.0.0.1", 80, false)]
    [InlineData("127.0.0.1:15001", "10.1.1.1", 15001, false)]
    public void IsAmong_EverySpellingOfTheAddress_IsFound(string own, string address, int port, bool expected) =>
        Assert.Equal(expected, OwnAddress.IsAmong([IPEndPoint.Parse(own)], IPAddress.Parse(address), port));
}
