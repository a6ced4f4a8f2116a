using System.Net;
using System.Net.Sockets;
using System.Text;
using Xunit;

namespace Mesh.Integration.Tests;

/// <summary>Raw TCP through a listener that a ServiceEntry port asks for.</summary>
public sealed class TcpTests : IDisposable
{
    private readonly Scratch _scratch = new();

    public void Dispose() => _scratch.Dispose();

    [Fact]
    public async Task Relay_UpToMaxConnections_ThenClosesWithoutAByte()
    {
        using TcpListener server = new(IPAddress.Loopback, 0);
        server.Start();
        int port = FreePort();
        _scratch.Folder("rules");
        _scratch.File("rules/se.yaml", Rules.Partner(server.LocalEndpoint.ToString()!, "TCP", port));
        _scratch.File("rules/dr.yaml", Rules.Limits("partner.example", 2, 100));
        await using MeshProcess sidecar = MeshProcess.Sidecar(
            "--rules", Path.Combine(_scratch.Path, "rules"), "--service", "caller:8080", "--app", "127.0.0.1:9");
        await sidecar.AddressAsync("outbound");

        using TcpClient first = await ConnectAsync(port);
        using TcpClient firstPeer = await server.AcceptTcpClientAsync().WaitAsync(TimeSpan.FromSeconds(30));
        using TcpClient second = await ConnectAsync(port);
        using TcpClient secondPeer = await server.AcceptTcpClientAsync().WaitAsync(TimeSpan.FromSeconds(30));
        using TcpClient third = await ConnectAsync(port);

        Assert.Equal(0, await ReadAsync(third, new byte[1]));
        await first.GetStream().WriteAsync("ping"u8.ToArray());
        byte[] buffer = new byte[16];
        int read = await ReadAsync(firstPeer, buffer);
        Assert.Equal("ping", Encoding.ASCII.GetString(buffer, 0, read));
        first.Client.Shutdown(SocketShutdown.Send);
        Assert.Equal(0, await ReadAsync(firstPeer, buffer));
        await firstPeer.GetStream().WriteAsync("bye"u8.ToArray());
        Assert.Equal(3, await ReadAsync(first, buffer));
        Assert.False(server.Pending());
        Uri metrics = await sidecar.AddressAsync("metrics");
        Assert.Equal(1, await Proxied.MetricAsync(metrics, "envoy_cluster_upstream_cx_overflow", "partner.example"));
        await Proxied.AssertNoBugAsync(sidecar);
    }

    private static async Task<int> ReadAsync(TcpClient client, byte[] buffer)
    {
        try
        {
            return await client.Client.ReceiveAsync(buffer).WaitAsync(TimeSpan.FromSeconds(30));
        }
        catch (SocketException)
        {
            return 0; // a reset is a close without bytes too
        }
    }

    private static async Task<TcpClient> ConnectAsync(int port)
    {
        TcpClient? client = null;
        await Eventually.TrueAsync(
            async () =>
            {
                client = new TcpClient();
                try
                {
                    await client.ConnectAsync(IPAddress.Loopback, port);
                    return true;
                }
                catch (SocketException)
                {
                    client.Dispose();
                    return false;
                }
            },
            () => $"no listener on port {port}");
        return client!;
    }

    private static int FreePort()
    {
        using TcpListener probe = new(IPAddress.Loopback, 0);
        probe.Start();
        return ((IPEndPoint)probe.LocalEndpoint).Port;
    }
}
