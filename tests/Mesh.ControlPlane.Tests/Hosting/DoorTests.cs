using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Mesh.ControlPlane.Hosting;
using Xunit;

namespace Mesh.ControlPlane.Tests.Hosting;

public sealed class DoorTests : IDisposable
{
    private const string Token = "correct-horse-battery-staple";
    private readonly string _folder = Directory.CreateTempSubdirectory("mesh-door-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Theory]
    [InlineData("localhost", true)]
    [InlineData("LOCALHOST:1", true)]
    [InlineData("127.0.0.1:15010", true)]
    [InlineData("[::1]:15010", true)]
    [InlineData("evil.example", false)]
    [InlineData("localhost.evil.example:15010", false)]
    [InlineData("127.0.0.1.evil.example", false)]
    [InlineData("192.168.0.1:15010", false)]
    public async Task Loopback_ForeignHost_IsRefused(string host, bool isLet)
    {
        await using ServerBench bench = await ServerBench.StartAsync();
        using HttpRequestMessage request = new(HttpMethod.Get, "/");
        request.Headers.Host = host;

        using HttpResponseMessage answer = await bench.Client.SendAsync(request);

        Assert.Equal(isLet ? HttpStatusCode.OK : HttpStatusCode.Forbidden, answer.StatusCode);
        Assert.Equal(!isLet, (await answer.Content.ReadAsStringAsync()).StartsWith($"Host '{host}' is foreign", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("http://SELF", true)]
    [InlineData("http://evil.example", false)]
    [InlineData("https://SELF", false)]
    [InlineData("http://localhost:3000", false)]
    [InlineData("null", false)]
    public async Task Loopback_ForeignOrigin_IsRefused(string origin, bool isLet)
    {
        await using ServerBench bench = await ServerBench.StartAsync();
        using HttpRequestMessage request = new(HttpMethod.Get, "/mesh/v1/sidecars");
        request.Headers.Add("Origin", origin.Replace("SELF", bench.Client.BaseAddress!.Authority, StringComparison.Ordinal));

        using HttpResponseMessage answer = await bench.Client.SendAsync(request);

        Assert.Equal(isLet ? HttpStatusCode.OK : HttpStatusCode.Forbidden, answer.StatusCode);
    }

    [Fact]
    public async Task Guarded_OnlyTheTokenOpensAnyRoute()
    {
        string token = Write("token", Token + "\n");
        (string cert, string key) = Certificate();
        await using ServerBench bench = await ServerBench.StartAsync("--tls-cert", cert, "--tls-key", key, "--token-file", token);

        Assert.Equal("https", bench.Client.BaseAddress!.Scheme);
        foreach (string path in (string[])["/", "/mesh/v1/sidecars", "/apis/networking.istio.io/v1/destinationrules"])
        {
            Assert.Equal(HttpStatusCode.Unauthorized, await GetAsync(bench, path, null));
            Assert.Equal(HttpStatusCode.Unauthorized, await GetAsync(bench, path, "Bearer wrong"));
            Assert.Equal(HttpStatusCode.Unauthorized, await GetAsync(bench, path, "Bearer "));
            Assert.Equal(HttpStatusCode.Unauthorized, await GetAsync(bench, path, $"Basic {Token}"));
        }

        Assert.Equal(HttpStatusCode.OK, await GetAsync(bench, "/mesh/v1/sidecars", $"Bearer {Token}"));
    }

    [Fact]
    public async Task Guarded_TokenFileReplaced_TheNewTokenHolds()
    {
        string path = Write("token", Token);
        (string cert, string key) = Certificate();
        await using ServerBench bench = await ServerBench.StartAsync("--tls-cert", cert, "--tls-key", key, "--token-file", path);
        Assert.Equal(HttpStatusCode.OK, await GetAsync(bench, "/", $"Bearer {Token}"));

        string next = Write("next", "another-token-altogether");
        File.SetLastWriteTimeUtc(next, File.GetLastWriteTimeUtc(path));
        File.Move(next, path, overwrite: true);

        Assert.Equal(HttpStatusCode.OK, await GetAsync(bench, "/", $"Bearer {Token}")); // it is looked at once a second
        bench.FileTime.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal(HttpStatusCode.Unauthorized, await GetAsync(bench, "/", $"Bearer {Token}"));
        Assert.Equal(HttpStatusCode.OK, await GetAsync(bench, "/", "Bearer another-token-altogether"));
        File.Delete(path);
        bench.FileTime.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal(HttpStatusCode.OK, await GetAsync(bench, "/", "Bearer another-token-altogether"));
    }

    [Fact]
    public void Keys_Unusable_AreOneLineThatNamesTheOption()
    {
        string token = Write("token", Token);
        (string cert, string key) = Certificate();
        string garbage = Write("garbage", "no pem");

        Assert.StartsWith("--token-file: '", Problem(cert, key, Path.Combine(_folder, "missing")), StringComparison.Ordinal);
        Assert.Contains("at least 16", Problem(cert, key, Write("short", "abc")), StringComparison.Ordinal);
        Assert.StartsWith("--tls-cert '", Problem(garbage, key, token), StringComparison.Ordinal);
        Assert.StartsWith("--tls-cert '", Problem(cert, garbage, token), StringComparison.Ordinal);
        Assert.StartsWith("--tls-cert '", Problem(Path.Combine(_folder, "missing"), key, token), StringComparison.Ordinal);
        Assert.StartsWith("--tls-ca: '", Problem(cert, key, token, garbage), StringComparison.Ordinal);
        Assert.StartsWith("--tls-ca: '", Problem(cert, key, token, Path.Combine(_folder, "missing")), StringComparison.Ordinal);
        Assert.Null(DoorKeys.Read(new ServeOptions { TlsCert = cert, TlsKey = key, TokenFile = token, TlsCa = cert }, TimeProvider.System).Problem);
    }

    private static string Problem(string cert, string key, string token, string? root = null)
    {
        string? problem = DoorKeys.Read(new ServeOptions { TlsCert = cert, TlsKey = key, TokenFile = token, TlsCa = root }, TimeProvider.System).Problem;
        Assert.NotNull(problem);
        Assert.DoesNotContain('\n', problem);
        return problem;
    }

    private static async Task<HttpStatusCode> GetAsync(ServerBench bench, string path, string? authorization)
    {
        using HttpRequestMessage request = new(HttpMethod.Get, path);
        if (authorization is not null)
        {
            request.Headers.TryAddWithoutValidation("Authorization", authorization);
        }

        using HttpResponseMessage answer = await bench.Client.SendAsync(request);
        return answer.StatusCode;
    }

    private string Write(string name, string text)
    {
        string path = Path.Combine(_folder, name);
        File.WriteAllText(path, text);
        return path;
    }

    private (string Cert, string Key) Certificate()
    {
        using ECDsa key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        DateTimeOffset now = TimeProvider.System.GetUtcNow();
        using X509Certificate2 certificate = new CertificateRequest("CN=mesh", key, HashAlgorithmName.SHA256).CreateSelfSigned(now.AddDays(-1), now.AddDays(1));
        return (Write("cert.pem", certificate.ExportCertificatePem()), Write("key.pem", key.ExportPkcs8PrivateKeyPem()));
    }
}
