using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography.X509Certificates;
using System.Text;

namespace Mesh.Proxy.Tests.Hosting;

/// <summary>The server's end of a TLS connection on a real socket. Every wait is bounded.</summary>
internal sealed class TlsPeer : IAsyncDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);
    private readonly SslStream _tls;
    private readonly byte[] _buffer = new byte[64 * 1024];

    private TlsPeer(Socket socket) => _tls = new SslStream(new NetworkStream(socket, ownsSocket: true));

    /// <summary>Name that the client sent.</summary>
    public string ServerName => _tls.TargetHostName;

    public string Protocol => _tls.NegotiatedApplicationProtocol.ToString();

    /// <summary>Subject of the client's certificate; null without one.</summary>
    public string? ClientSubject => _tls.RemoteCertificate?.Subject;

    /// <summary>Takes the next connection and shakes hands.</summary>
    /// <param name="accepting">The connection.</param>
    /// <param name="certificate">The server's certificate.</param>
    /// <param name="clientRoot">Root of which the client must show a certificate; null asks for none.</param>
    public static async Task<TlsPeer> AcceptAsync(Task<Socket> accepting, X509Certificate2 certificate, X509Certificate2? clientRoot = null)
    {
        TlsPeer peer = new(await accepting.WaitAsync(Patience));
        X509ChainPolicy policy = new() { TrustMode = X509ChainTrustMode.CustomRootTrust, RevocationMode = X509RevocationMode.NoCheck };
        if (clientRoot is not null)
        {
            policy.CustomTrustStore.Add(clientRoot);
        }

        try
        {
            await peer._tls.AuthenticateAsServerAsync(new SslServerAuthenticationOptions
            {
                ServerCertificate = certificate,
                ClientCertificateRequired = clientRoot is not null,
                CertificateChainPolicy = policy,
                ApplicationProtocols = [SslApplicationProtocol.Http2, SslApplicationProtocol.Http11],
            }).WaitAsync(Patience);
        }
        catch (Exception refused) when (refused is IOException or System.Security.Authentication.AuthenticationException)
        {
            await peer.DisposeAsync();
            throw;
        }

        return peer;
    }

    public async Task SendAsync(string text) => await _tls.WriteAsync(Encoding.Latin1.GetBytes(text)).AsTask().WaitAsync(Patience);

    /// <summary>Text until <paramref name="end"/> has come or the peer ended.</summary>
    public async Task<string> ReadUntilAsync(string end)
    {
        StringBuilder text = new();
        while (!text.ToString().Contains(end, StringComparison.Ordinal))
        {
            int read = await ReadAsync();
            if (read == 0)
            {
                break;
            }

            text.Append(Encoding.Latin1.GetString(_buffer, 0, read));
        }

        return text.ToString();
    }

    /// <summary>Bytes until the peer says that no more come.</summary>
    public async Task<long> CountToEndAsync()
    {
        long count = 0;
        int read;
        while ((read = await ReadAsync()) > 0)
        {
            count += read;
        }

        return count;
    }

    /// <summary>Answers requests until the client ends.</summary>
    public async Task ServeAsync(string answer)
    {
        while ((await ReadUntilAsync("\r\n\r\n")).Length > 0)
        {
            await SendAsync(answer);
        }
    }

    /// <summary>Ends the sending side with close_notify; the socket stays.</summary>
    public Task EndSendingAsync() => _tls.ShutdownAsync().WaitAsync(Patience);

    public ValueTask DisposeAsync() => _tls.DisposeAsync();

    private async Task<int> ReadAsync()
    {
        try
        {
            return await _tls.ReadAsync(_buffer).AsTask().WaitAsync(Patience);
        }
        catch (IOException)
        {
            return 0;
        }
    }
}
