using System.Net;
using System.Net.Sockets;
using Mesh.Testing;
using Xunit;
using static Mesh.Proxy.Tests.Hosting.RuleHarness;

namespace Mesh.Proxy.Tests.Hosting;

/// <summary>Names of a service entry, checked in a real handshake.</summary>
public sealed class ServiceEntryTlsEffectTests : IDisposable
{
    private readonly TestAuthority _authority = new();
    private readonly TcpListener _server = new(IPAddress.Loopback, 0);

    public ServiceEntryTlsEffectTests() => _server.Start();

    public void Dispose()
    {
        _server.Dispose();
        _authority.Dispose();
    }

    [Theory]
    [InlineData("subjectAltNames: [other.test, b.test]", "", "b.test", true)]
    [InlineData("subjectAltNames: [other.test, b.test]", "", "a.test", false)]
    [InlineData("subjectAltNames: [b.test]", ", subjectAltNames: [c.test]", "c.test", true)]
    [InlineData("subjectAltNames: [b.test]", ", subjectAltNames: [c.test]", "b.test", false)]
    [InlineData("subjectAltNames: []", "", "a.test", true)]
    [EffectOf("ServiceEntry", "subjectAltNames")]
    public async Task SubjectAltNames_DecideWhoIsAccepted_UnlessTheRuleHasItsOwn(string entry, string rule, string certificate, bool isAccepted)
    {
        int port = ((IPEndPoint)_server.LocalEndpoint).Port;
        await using RuleHarness harness = await StartAsync(
            Rule("ServiceEntry", "a", $"{{hosts: [a.test], resolution: STATIC, ports: [{{number: 80, targetPort: {port}, name: http, protocol: HTTP}}], endpoints: [{{address: 127.0.0.1}}], {entry}}}")
            + Rule("DestinationRule", "a", $"{{host: a.test, trafficPolicy: {{tls: {{mode: SIMPLE, caCertificates: '{_authority.RootFile}'{rule}}}}}}}")
            + Rule("VirtualService", "a", "{hosts: [a.test], http: [{retries: {attempts: 0}, route: [{destination: {host: a.test}}]}]}"));
        Task<string> asking = harness.AskAsync("a.test");
        await using TlsPeer server = await TlsPeer.AcceptAsync(_server.AcceptSocketAsync(), _authority.Issue(certificate));
        if (isAccepted)
        {
            await server.ReadUntilAsync("\r\n\r\n");
            await server.SendAsync("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        }

        Assert.Equal(isAccepted ? "ok" : "503", await asking);
    }
}
