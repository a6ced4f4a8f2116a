using System.Net;
using Mesh.Sidecar.Agent;
using Microsoft.AspNetCore.Http;
using Xunit;

namespace Mesh.Sidecar.Tests.Agent;

/// <summary>Who may end the sidecar.</summary>
public sealed class AgentPagesTests
{
    [Theory]
    [InlineData("127.0.0.1", true)]
    [InlineData("::1", true)]
    [InlineData("::ffff:127.0.0.1", true)]
    [InlineData("10.1.1.1", false)]
    [InlineData("fd00::1", false)]
    [InlineData(null, false)]
    public void IsFromThisPod_IsLoopbackAlone(string? peer, bool expected)
    {
        DefaultHttpContext http = new();
        http.Connection.RemoteIpAddress = peer is null ? null : IPAddress.Parse(peer);
        Assert.Equal(expected, AgentPages.IsFromThisPod(http));
    }
}
