using System.Net;
using System.Net.Sockets;
using System.Text;
using Xunit;

namespace Mesh.Integration.Tests;

/// <summary>How a sidecar ends, and how it gets on when the machine has nothing left to give.</summary>
public sealed class LifeTests : IDisposable
{
    private readonly Scratch _scratch = new();

    public void Dispose() => _scratch.Dispose();

    [Fact]
    public async Task Terminate_FinishesWhatIsInFlight_ServesTheNew_AndExitsWith0()
    {
        await using EchoUpstream upstream = await EchoUpstream.StartAsync();
        upstream.Gate = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using MeshProcess sidecar = Start(upstream, "--drain-time", "30s");
        Uri outbound = await sidecar.AddressAsync("outbound");
        using HttpClient client = Proxied.Client(outbound);
        Task<HttpResponseMessage> inFlight = client.GetAsync(new Uri("http://partner.example/slow"));
        await Eventually.TrueAsync(() => upstream.Active == 1, () => "the request has not arrived");

        sidecar.Terminate();
        Uri admin = await sidecar.AddressAsync("admin");
        using HttpClient direct = Proxied.Direct();
        await Eventually.TrueAsync(
            async () => (await direct.GetStringAsync(new Uri(admin, "/server_info"))).Contains("DRAINING", StringComparison.Ordinal), () => "not draining");
        Task<HttpResponseMessage> late = client.GetAsync(new Uri("http://partner.example/late"));
        await Eventually.TrueAsync(() => upstream.Active == 2, () => "the late request has not arrived");
        upstream.Gate.SetResult();

        foreach (Task<HttpResponseMessage> request in (Task<HttpResponseMessage>[])[inFlight, late])
        {
            using HttpResponseMessage response = await request;
            Assert.Equal((HttpStatusCode.OK, true), (response.StatusCode, response.Headers.ConnectionClose));
        }

        Assert.Equal(0, await sidecar.ExitCodeAsync());
        using TcpClient gone = new();
        await Assert.ThrowsAnyAsync<SocketException>(() => gone.ConnectAsync(IPAddress.Loopback, outbound.Port));
    }

    [Fact]
    public async Task SecondTerminate_ExitsAtOnce()
    {
        await using EchoUpstream upstream = await EchoUpstream.StartAsync();
        upstream.Gate = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using MeshProcess sidecar = Start(upstream, "--drain-time", "3600s");
        using HttpClient client = Proxied.Client(await sidecar.AddressAsync("outbound"));
        Task<HttpResponseMessage> inFlight = client.GetAsync(new Uri("http://partner.example/slow"));
        await Eventually.TrueAsync(() => upstream.Active == 1, () => "the request has not arrived");
        sidecar.Terminate();
        await Eventually.TrueAsync(() => sidecar.Errors.Contains("Draining", StringComparison.Ordinal), () => "not draining: " + sidecar.Errors);
        Assert.False(inFlight.IsCompleted);

        sidecar.Terminate();

        Assert.Equal(0, await sidecar.ExitCodeAsync());
        await Assert.ThrowsAnyAsync<HttpRequestException>(() => inFlight);
    }

    [Fact]
    public async Task TooManyConnections_TheNewestGoes_TheAdminPortLives()
    {
        await using EchoUpstream upstream = await EchoUpstream.StartAsync();
        await using MeshProcess sidecar = Start(upstream, "--max-connections", "2");
        Uri outbound = await sidecar.AddressAsync("outbound");
        Uri metrics = await sidecar.AddressAsync("metrics");
        using TcpClient first = await ConnectAsync(outbound);
        using TcpClient second = await ConnectAsync(outbound);
        await Eventually.TrueAsync(async () => await Proxied.MetricAsync(metrics, "envoy_http_downstream_cx_active", "outbound") == 2, () => "not two");
        using TcpClient third = await ConnectAsync(outbound);

        Assert.Equal("", await AskAsync(third));
        Assert.StartsWith("HTTP/1.1 200 ", await AskAsync(first), StringComparison.Ordinal);
        Assert.Equal(1, await Proxied.MetricAsync(metrics, "envoy_http_downstream_cx_overload_reject", "outbound"));
        await Proxied.AssertNoBugAsync(sidecar);
    }

    [Fact]
    public async Task NoDescriptorLeft_GoesOnServing_AndRecovers()
    {
        await using EchoUpstream upstream = await EchoUpstream.StartAsync();
        _scratch.Folder("rules");
        _scratch.File("rules/se.yaml", Rules.Partner(upstream.Address));
        await using MeshProcess sidecar = MeshProcess.PoorSidecar(
            300, "--rules", Path.Combine(_scratch.Path, "rules"), "--service", "caller:8080", "--app", "127.0.0.1:9", "--max-connections", "0");
        Uri outbound = await sidecar.AddressAsync("outbound");
        using TcpClient early = await ConnectAsync(outbound);
        Assert.StartsWith("HTTP/1.1 200 ", await AskAsync(early), StringComparison.Ordinal);
        List<TcpClient> crowd = [];
        for (int i = 0; i < 400; i++)
        {
            crowd.Add(await ConnectAsync(outbound)); // the kernel's queue takes those for whom there is no descriptor
        }

        await Eventually.TrueAsync(() => sidecar.Errors.Contains("Cannot accept connections", StringComparison.Ordinal), () => "descriptors are left: " + sidecar.Errors);
        Assert.StartsWith("HTTP/1.1 200 ", await AskAsync(early), StringComparison.Ordinal); // who is in stays in

        crowd.ForEach(static c => c.Dispose());

        await Eventually.TrueAsync(
            async () =>
            {
                using TcpClient next = await ConnectAsync(outbound);
                return (await AskAsync(next)).StartsWith("HTTP/1.1 200 ", StringComparison.Ordinal);
            },
            () => "not recovered: " + sidecar.Errors);
        Assert.True(await Proxied.MetricAsync(await sidecar.AddressAsync("metrics"), "envoy_server_accept_error_total") > 0);
        await Proxied.AssertNoBugAsync(sidecar);
    }

    private MeshProcess Start(EchoUpstream upstream, params string[] more)
    {
        _scratch.Folder("rules");
        _scratch.File("rules/se.yaml", Rules.Partner(upstream.Address));
        return MeshProcess.Sidecar(["--rules", Path.Combine(_scratch.Path, "rules"), "--service", "caller:8080", "--app", "127.0.0.1:9", .. more]);
    }

    private static async Task<TcpClient> ConnectAsync(Uri address)
    {
        TcpClient client = new();
        await client.ConnectAsync(IPAddress.Loopback, address.Port);
        return client;
    }

    /// <summary>One request, and its whole answer: what is left unread would be taken for the next one. Empty when the connection ends.</summary>
    private static async Task<string> AskAsync(TcpClient client)
    {
        byte[] buffer = new byte[4096];
        StringBuilder answer = new();
        try
        {
            await client.Client.SendAsync("GET / HTTP/1.1\r\nHost: partner.example\r\n\r\n"u8.ToArray());
            while (!IsWhole(answer.ToString()))
            {
                int read = await client.Client.ReceiveAsync(buffer).WaitAsync(TimeSpan.FromSeconds(30));
                if (read == 0)
                {
                    return "";
                }

                answer.Append(Encoding.ASCII.GetString(buffer, 0, read));
            }

            return answer.ToString();
        }
        catch (SocketException)
        {
            return "";
        }
    }

    private static bool IsWhole(string answer)
    {
        int end = answer.IndexOf("\r\n\r\n", StringComparison.Ordinal);
        if (end < 0)
        {
            return false;
        }

        string[] length = [.. answer[..end].Split("\r\n").Where(static l => l.StartsWith("content-length:", StringComparison.OrdinalIgnoreCase))];
        return length is [var line, ..]
            ? answer.Length >= end + 4 + int.Parse(line.Split(':')[1], System.Globalization.CultureInfo.InvariantCulture)
            : answer.EndsWith("0\r\n\r\n", StringComparison.Ordinal);
    }
}
