using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Xunit;

namespace Mesh.Cli;

/// <summary>A control plane behind a port-forward: its certificate has another name than the address.</summary>
public sealed class ControlPlaneNameTests : IDisposable
{
    private const string Name = "mesh-control-plane.mesh-system.svc";
    private readonly TempFolder _folder = new();
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly X509Certificate2 _certificate = Certificate();

    public void Dispose()
    {
        _listener.Dispose();
        _certificate.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public async Task Name_IsTheCertificates_IsAskedForAndSentAsHost()
    {
        Task<string> asked = AnswerAsync();

        Invocation run = Ask("--control-plane-name", Name);

        Assert.Equal((0, "no sidecar is registered\n", ""), (run.Code, run.Output, run.Error));
        Assert.Contains($"Host: {Name}\r\n", await asked.WaitAsync(TimeSpan.FromSeconds(10), TimeProvider.System), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Name_IsNotGiven_TheCertificatesAndTheOptionAreNamed()
    {
        Task<string> asked = AnswerAsync();

        Invocation run = Ask();

        Assert.Equal((1, ""), (run.Code, run.Output));
        Assert.Contains($"the certificate is for {Name}, not for '127.0.0.1'; write --control-plane-name {Name}", run.Error, StringComparison.Ordinal);
        Assert.Equal("", await asked.WaitAsync(TimeSpan.FromSeconds(10), TimeProvider.System)); // and nothing was said to it
    }

    private static X509Certificate2 Certificate()
    {
        using ECDsa key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        CertificateRequest request = new("CN=test", key, HashAlgorithmName.SHA256);
        SubjectAlternativeNameBuilder names = new();
        names.AddDnsName(Name);
        request.CertificateExtensions.Add(names.Build());
        return request.CreateSelfSigned(new DateTimeOffset(2020, 1, 1, 0, 0, 0, TimeSpan.Zero), new DateTimeOffset(2045, 1, 1, 0, 0, 0, TimeSpan.Zero));
    }

    private Invocation Ask(params string[] name)
    {
        string root = _folder.Add("root.pem", _certificate.ExportCertificatePem());
        return Invocation.Of(["status", "--control-plane", $"https://127.0.0.1:{((IPEndPoint)_listener.LocalEndpoint).Port}", "--control-plane-ca", root, .. name]);
    }

    /// <summary>Answers one question with an empty list; gives what was asked, nothing where the handshake failed.</summary>
    private Task<string> AnswerAsync()
    {
        _listener.Start();
        return Task.Run(async () =>
        {
            using TcpClient client = await _listener.AcceptTcpClientAsync();
            using SslStream tls = new(client.GetStream());
            StringBuilder asked = new();
            try
            {
                await tls.AuthenticateAsServerAsync(_certificate);
                byte[] buffer = new byte[4096];
                while (!asked.ToString().EndsWith("\r\n\r\n", StringComparison.Ordinal) && await tls.ReadAsync(buffer) is > 0 and int read)
                {
                    asked.Append(Encoding.ASCII.GetString(buffer, 0, read));
                }

                await tls.WriteAsync("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n[]"u8.ToArray());
            }
            catch (Exception error) when (error is IOException or System.Security.Authentication.AuthenticationException)
            {
                // who asked has gone
            }

            return asked.ToString();
        });
    }
}
