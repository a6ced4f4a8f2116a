using System.Security.Cryptography.X509Certificates;
using System.Text;
using Mesh.ControlPlane.Kubernetes;
using Mesh.Testing;
using Xunit;

namespace Mesh.ControlPlane.Tests.Kubernetes;

public sealed class KubeConfigTests : IDisposable
{
    private readonly TestAuthority _authority = new();

    public void Dispose() => _authority.Dispose();

    [Fact]
    public void Read_CurrentContext_HasServerRootsAndToken()
    {
        string roots = Convert.ToBase64String(File.ReadAllBytes(_authority.RootFile));

        ApiServer server = Read("{token: secret}", cluster: $"{{server: 'https://10.0.0.1:6443', certificate-authority-data: {roots}}}").Server!;

        Assert.Equal("https://10.0.0.1:6443/", server.Address.AbsoluteUri);
        Assert.Equal(_authority.Root.Thumbprint, Assert.Single(server.Roots!).Thumbprint);
        Assert.Equal(("secret", null), server.Token!.Read());
        Assert.Equal("shop", server.Namespace);
    }

    [Fact]
    public void Read_FilesBesideIt_AreFoundFromTheFilesFolder()
    {
        using X509Certificate2 certificate = _authority.Issue("admin");
        _authority.WritePair("client", certificate);
        _authority.Write("my-token", "from-file\n");
        _ = _authority.RootFile;

        ApiServer server = Read(
            "{tokenFile: my-token, client-certificate: client.pem, client-key: client.key}",
            cluster: "{server: 'https://k:6443', certificate-authority: root.pem, tls-server-name: kubernetes}").Server!;

        Assert.Equal(certificate.Thumbprint, server.Certificate!.Thumbprint);
        Assert.True(server.Certificate.HasPrivateKey);
        Assert.Equal(("from-file", null), server.Token!.Read());
        Assert.Equal("kubernetes", server.ServerName);
        Assert.Single(server.Roots!);
    }

    [Fact]
    public void Read_ContextByName_IsThatOne() =>
        Assert.Equal("http://127.0.0.1:8001/", Read("{}", context: "other").Server!.Address.AbsoluteUri);

    [Theory]
    [InlineData("{exec: {command: aws}}", "{server: 'https://k'}", null, "user 'me': exec is not supported: credential programs are not run; write a token")]
    [InlineData("{auth-provider: {name: gcp}}", "{server: 'https://k'}", null, "auth-provider is not supported")]
    [InlineData("{username: a, password: b}", "{server: 'https://k'}", null, "username is not supported")]
    [InlineData("{client-certificate: a.pem}", "{server: 'https://k'}", null, "a.pem")]
    [InlineData("{client-key-data: aGFsbG8=}", "{server: 'https://k'}", null, "client-certificate and client-key go together")]
    [InlineData("{}", "{server: 'https://k', insecure-skip-tls-verify: true}", null, "insecure-skip-tls-verify is not supported; write certificate-authority")]
    [InlineData("{}", "{server: 'https://k', proxy-url: 'http://p'}", null, "proxy-url is not supported")]
    [InlineData("{}", "{server: 'k:6443'}", null, "server: 'k:6443' is no address; write for example https://10.0.0.1:6443")]
    [InlineData("{}", "{server: 'https://k', certificate-authority-data: '*'}", null, "base-64")]
    [InlineData("{}", "{server: 'https://k'}", "nope", "there is no context 'nope'")]
    public void Read_WhatItCannotDo_IsRefusedByName(string user, string cluster, string? context, string expected)
    {
        (ApiServer? server, string? problem) = Read(user, cluster, context);

        Assert.Null(server);
        Assert.Contains(expected, problem, StringComparison.OrdinalIgnoreCase);
    }

    [Theory]
    [InlineData("a: b\nc: 'x", "cannot be read: line 2: ")]
    [InlineData("", "cannot be read: ")]
    [InlineData("contexts: [{name: a}, {name: b}]", "no context is chosen; name one with --context: a, b")]
    public void Read_BrokenFile_SaysWhereAndWhat(string text, string expected)
    {
        (ApiServer? server, string? problem) = KubeConfig.Read(_authority.Write("config", text), null);

        Assert.Null(server);
        Assert.Contains(expected, problem, StringComparison.Ordinal);
    }

    [Fact]
    public void InCluster_FolderOfTheKubelet_GivesServerTokenAndNamespace()
    {
        _authority.Write("ca.crt", File.ReadAllText(_authority.RootFile));
        _authority.Write("namespace", "mesh-system");
        string folder = Path.GetDirectoryName(_authority.Write("token", "t1"))!;
        Dictionary<string, string> variables = new() { ["KUBERNETES_SERVICE_HOST"] = "fd00::1", ["KUBERNETES_SERVICE_PORT"] = "443" };

        Assert.True(InCluster.IsHere(variables.GetValueOrDefault));
        (ApiServer? server, string? problem) = InCluster.Read(variables.GetValueOrDefault, folder);

        Assert.Null(problem);
        Assert.Equal(("https://[fd00::1]/", "mesh-system", "mesh-system"), (server!.Address.AbsoluteUri, server.Namespace, server.Operators));
        Assert.Equal(("t1", null), server.Token!.Read());
        _authority.Write("token", "t2");
        Assert.Equal(("t2", null), server.Token!.Read());
    }

    [Fact]
    public void Operators_WithoutTheKubeletsWord_AreNobody()
    {
        _authority.Write("ca.crt", File.ReadAllText(_authority.RootFile));
        string folder = Path.GetDirectoryName(_authority.Write("token", "t1"))!;
        Dictionary<string, string> variables = new() { ["KUBERNETES_SERVICE_HOST"] = "10.0.0.1", ["KUBERNETES_SERVICE_PORT"] = "443" };

        ApiServer inside = InCluster.Read(variables.GetValueOrDefault, folder).Server!; // no file that names the namespace
        ApiServer outside = Read("{token: t}", context: "other").Server!;

        Assert.Equal(("default", ""), (inside.Namespace, inside.Operators));
        Assert.Equal(("default", ""), (outside.Namespace, outside.Operators));
        Assert.Equal("", Read("{token: t}").Server!.Operators); // its namespace is a person's choice for kubectl
    }

    [Fact]
    public void InCluster_NoToken_SaysWhatThePodNeeds()
    {
        Dictionary<string, string> variables = new() { ["KUBERNETES_SERVICE_HOST"] = "10.0.0.1", ["KUBERNETES_SERVICE_PORT"] = "443" };

        string? problem = InCluster.Read(variables.GetValueOrDefault, "/nowhere").Problem;

        Assert.Contains("'/nowhere/token' cannot be read", problem, StringComparison.Ordinal);
        Assert.Contains("automountServiceAccountToken: true", problem, StringComparison.Ordinal);
    }

    private (ApiServer? Server, string? Problem) Read(string user, string cluster = "{server: 'https://k'}", string? context = null)
    {
        StringBuilder text = new();
        text.Append("apiVersion: v1\nkind: Config\ncurrent-context: main\n");
        text.Append("contexts:\n- {name: main, context: {cluster: c, user: me, namespace: shop}}\n- {name: other, context: {cluster: proxy}}\n");
        text.Append($"clusters:\n- name: c\n  cluster: {cluster}\n- name: proxy\n  cluster: {{server: 'http://127.0.0.1:8001'}}\n");
        text.Append($"users:\n- name: me\n  user: {user}\n");
        return KubeConfig.Read(_authority.Write("config", text.ToString()), context);
    }
}
