using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Mesh.ControlPlane.Certificates;
using Mesh.Testing;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Mesh.ControlPlane.Tests.Certificates;

public sealed class ServerCertificatesTests
{
    [Fact]
    public async Task Renew_TwoReplicas_ShowTheSameCertificate()
    {
        FakeSecret secret = new();
        FakeTimeProvider time = new();
        await using ServerCertificates first = New(secret, time);
        await using ServerCertificates second = New(secret, time);
        secret.BeforeWrite = () =>
        {
            // The second replica writes between the first one's look and its write.
            secret.BeforeWrite = null;
            return second.RenewAsync(default);
        };

        await first.RenewAsync(default);

        Assert.Equal(first.Current!.Thumbprint, second.Current!.Thumbprint);
    }

    [Fact]
    public async Task Renew_NothingChanged_WritesNothingAndShowsTheSame()
    {
        FakeSecret secret = new();
        await using ServerCertificates certificates = New(secret, new FakeTimeProvider());
        await certificates.RenewAsync(default);
        string shown = certificates.Current!.Thumbprint;

        await certificates.RenewAsync(default);

        Assert.Equal((1, shown), (secret.Writes, certificates.Current!.Thumbprint));
    }

    [Fact]
    public async Task Run_StoreAway_KeepsTheCertificateAndRecovers()
    {
        FakeSecret secret = new();
        FakeTimeProvider time = new();
        await using ServerCertificates certificates = New(secret, time);
        await certificates.RenewAsync(default);
        string before = certificates.Current!.Thumbprint;
        using CancellationTokenSource stop = new();
        Task running = certificates.RunAsync(stop.Token);

        secret.Problem = "the API server is away";
        time.Advance(CertificateAuthority.CertificateLife * 0.7);
        await secret.Asked.Task.WaitAsync(TimeSpan.FromSeconds(10));
        Assert.Equal(before, certificates.Current!.Thumbprint);

        secret.Problem = null;
        await Eventually.HoldsAsync(
            () =>
            {
                time.Advance(ServerCertificates.RetryInterval);
                return certificates.Current!.Thumbprint != before;
            },
            "a new certificate");
        await stop.CancelAsync();
        await running.WaitAsync(TimeSpan.FromSeconds(10));
    }

    [Fact]
    public async Task Renew_NobodyCanBeTold_ShowsTheFirstCertificateAndKeepsItLater()
    {
        FakeSecret secret = new() { PublishProblem = "the right is missing" };
        FakeTimeProvider time = new();
        await using ServerCertificates certificates = New(secret, time);

        await Assert.ThrowsAsync<IOException>(() => certificates.RenewAsync(default));
        string? first = certificates.Current?.Thumbprint;
        time.Advance(CertificateAuthority.AuthorityLife * 0.7);
        await Assert.ThrowsAsync<IOException>(() => certificates.RenewAsync(default)); // announces another authority
        string second = certificates.Current!.Thumbprint;
        time.Advance(CertificateAuthority.Announcement * 1.1);
        await Assert.ThrowsAsync<IOException>(() => certificates.RenewAsync(default));

        Assert.NotNull(first); // there was nothing to lose
        Assert.NotEqual(first, second); // of the same authority: it would end else
        Assert.Equal(second, certificates.Current.Thumbprint); // of the next one: trust goes first
        secret.PublishProblem = null;
        await certificates.RenewAsync(default);
        Assert.NotEqual(second, certificates.Current.Thumbprint);
    }

    [Fact]
    public async Task Run_AuthorityThatCannotSign_IsSaidAndTriedAgain()
    {
        FakeSecret secret = new();
        FakeTimeProvider time = new();
        await using ServerCertificates certificates = New(secret, time);
        await certificates.RenewAsync(default);
        string before = certificates.Current!.Thumbprint;
        KeptCertificates good = secret.Kept!;
        secret.Kept = OfRsa(time.GetUtcNow()); // somebody has brought an authority of another kind, and too few names
        using CancellationTokenSource stop = new();

        Task running = certificates.RunAsync(stop.Token);
        await Eventually.HoldsAsync(
            () =>
            {
                time.Advance(ServerCertificates.RetryInterval);
                return certificates.Trouble is not null;
            },
            "the trouble is said");
        Assert.Equal(before, certificates.Current.Thumbprint);
        secret.Kept = good;

        await Eventually.HoldsAsync(
            () =>
            {
                time.Advance(ServerCertificates.RetryInterval);
                return certificates.Trouble is null;
            },
            "it is tried again");
        await stop.CancelAsync();
        await running.WaitAsync(TimeSpan.FromSeconds(10));
    }

    [Fact]
    public async Task Renew_Names_AreAllThatAClientMayUse()
    {
        await using ServerCertificates certificates = New(new FakeSecret(), new FakeTimeProvider());
        await certificates.RenewAsync(default);

        Assert.All(
            (string[])["mesh", "mesh.mesh-system", "mesh.mesh-system.svc", "mesh.mesh-system.svc.cluster.local"],
            name => Assert.True(certificates.Current!.MatchesHostname(name), name));
        Assert.False(certificates.Current!.MatchesHostname("mesh.other.svc"));
    }

    [Fact]
    public async Task Renew_NextAuthority_IsAnnouncedOnce()
    {
        FakeTimeProvider time = new();
        await using ServerCertificates certificates = New(new FakeSecret(), time);
        List<string?> bundles = [];
        certificates.BundleChanged += () => bundles.Add(certificates.Bundle);

        await certificates.RenewAsync(default);
        await certificates.RenewAsync(default);
        time.Advance(CertificateAuthority.CertificateLife * 0.7);
        await certificates.RenewAsync(default); // another certificate of the same authority
        Assert.Single(bundles);
        time.Advance(CertificateAuthority.AuthorityLife * 0.6);
        await certificates.RenewAsync(default);

        Assert.Equal(2, bundles.Count);
        Assert.StartsWith(bundles[0]!, bundles[1], StringComparison.Ordinal);
    }

    private static KeptCertificates OfRsa(DateTimeOffset now)
    {
        using RSA key = RSA.Create(2048);
        CertificateRequest request = new("CN=brought", key, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        request.CertificateExtensions.Add(new X509SubjectKeyIdentifierExtension(request.PublicKey, false));
        using X509Certificate2 authority = request.CreateSelfSigned(now.AddDays(-1), now.AddDays(365));
        (string pem, string pemKey) = (authority.ExportCertificatePem() + "\n", key.ExportPkcs8PrivateKeyPem() + "\n");
        return new KeptCertificates(pem, pemKey, pem, pemKey);
    }

    private static ServerCertificates New(FakeSecret secret, TimeProvider time) =>
        new(secret, secret, "mesh.mesh-system", time, NullLogger.Instance);

    private sealed class FakeSecret : ICertificateStore, ICaBundleTarget
    {
        public KeptCertificates? Kept { get; set; }

        public Func<Task>? BeforeWrite { get; set; }

        public string? Problem { get; set; }

        public string? PublishProblem { get; set; }

        public int Writes { get; private set; }

        public TaskCompletionSource Asked { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public Task<KeptCertificates?> ReadAsync(CancellationToken cancellationToken)
        {
            if (Problem is { } problem)
            {
                Asked.TrySetResult();
                return Task.FromException<KeptCertificates?>(new IOException(problem));
            }

            return Task.FromResult(Kept);
        }

        public async Task<bool> TryWriteAsync(KeptCertificates? former, KeptCertificates certificates, CancellationToken cancellationToken)
        {
            await (BeforeWrite?.Invoke() ?? Task.CompletedTask);
            if (former != Kept)
            {
                return false;
            }

            Kept = certificates;
            Writes++;
            return true;
        }

        public Task PublishAsync(string bundle, CancellationToken cancellationToken) =>
            PublishProblem is { } problem ? Task.FromException(new IOException(problem)) : Task.CompletedTask;
    }
}
