using System.Net;
using System.Net.Http.Headers;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Mesh.ControlPlane.Admission;
using Mesh.ControlPlane.Certificates;
using Mesh.ControlPlane.Hosting;
using Mesh.ControlPlane.Tests.Push;
using Mesh.Injection;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Mesh.ControlPlane.Tests.Admission;

/// <summary>The webhooks on a loopback port of the system's choice, and a client that trusts what they publish.</summary>
internal sealed class WebhookBench : IAsyncDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);
    private readonly ServerCertificates _certificates;
    private readonly WebhookServer _webhooks;
    private readonly HttpClient _client;

    private WebhookBench(ServerCertificates certificates, WebhookServer webhooks, HttpClient client) => (_certificates, _webhooks, _client) = (certificates, webhooks, client);

    public static async Task<WebhookBench> StartAsync(string data)
    {
        ServeOptions options = new() { Data = data, WebhookListen = new IPEndPoint(IPAddress.Loopback, 0) };
        ServerCertificates certificates = DoorBuilder.Certificates(options, null, (TimeProvider.System, NullLoggerFactory.Instance))!;
        await certificates.StartAsync();
        WebhookServer webhooks = Webhooks.Create(options, InjectionSettings.Default, new FakeRuleStore(), certificates, (TimeProvider.System, NullLoggerProvider.Instance));
        string printed = "";
        await webhooks.StartAsync(line => printed = line);
        Assert.StartsWith("webhook listening on https://127.0.0.1:", printed, StringComparison.Ordinal);
        return new WebhookBench(certificates, webhooks, Client(new Uri(printed["webhook listening on ".Length..]), data));
    }

    /// <summary>What the webhooks add to the page of metrics.</summary>
    public string Metrics()
    {
        StringBuilder page = new();
        _webhooks.Stats.Write(page, TimeProvider.System.GetUtcNow());
        return page.ToString();
    }

    public async ValueTask DisposeAsync()
    {
        _client.Dispose();
        await _webhooks.DisposeAsync();
        await _certificates.DisposeAsync();
    }

    public Task<HttpResponseMessage> PostAsync(string path, string body, string type = "application/json")
    {
        StringContent content = new(body, Encoding.UTF8) { Headers = { ContentType = MediaTypeHeaderValue.Parse(type) } };
        return _client.PostAsync(path, content).WaitAsync(Patience);
    }

    /// <summary>As an API server: it knows the Service's name, and trusts the bundle only.</summary>
    private static HttpClient Client(Uri address, string data)
    {
        X509Certificate2Collection roots = [];
        roots.ImportFromPemFile(Path.Combine(data, "webhook", CertificateFolder.BundleFile));
        SocketsHttpHandler handler = new()
        {
            ConnectCallback = async (_, cancellationToken) =>
            {
                Socket socket = new(SocketType.Stream, ProtocolType.Tcp);
                await socket.ConnectAsync(IPAddress.Loopback, address.Port, cancellationToken);
                return new NetworkStream(socket, ownsSocket: true);
            },
            SslOptions = new SslClientAuthenticationOptions
            {
                CertificateChainPolicy = new X509ChainPolicy
                {
                    TrustMode = X509ChainTrustMode.CustomRootTrust,
                    RevocationMode = X509RevocationMode.NoCheck,
                },
            },
        };
        handler.SslOptions.CertificateChainPolicy.CustomTrustStore.AddRange(roots);
        return new HttpClient(handler) { BaseAddress = new Uri($"https://mesh-control-plane.mesh-system.svc:{address.Port}") };
    }
}
