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
        time.Advance(CertificateAuthority.CertificateLife * 0.7);
        await Assert.ThrowsAsync<IOException>(() => certificates.RenewAsync(default));

        Assert.NotNull(first); // there was nothing to lose
        Assert.Equal(first, certificates.Current!.Thumbprint); // trust goes first
        secret.PublishProblem = null;
        await certificates.RenewAsync(default);
        Assert.NotEqual(first, certificates.Current.Thumbprint);
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

    private static ServerCertificates New(FakeSecret secret, TimeProvider time) =>
        new(secret, secret, "mesh.mesh-system", time, NullLogger.Instance);

    private sealed class FakeSecret : ICertificateStore, ICaBundleTarget
    {
        private KeptCertificates? _kept;

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

            return Task.FromResult(_kept);
        }

        public async Task<bool> TryWriteAsync(KeptCertificates? former, KeptCertificates certificates, CancellationToken cancellationToken)
        {
            await (BeforeWrite?.Invoke() ?? Task.CompletedTask);
            if (former != _kept)
            {
                return false;
            }

            _kept = certificates;
            Writes++;
            return true;
        }

        public Task PublishAsync(string bundle, CancellationToken cancellationToken) =>
            PublishProblem is { } problem ? Task.FromException(new IOException(problem)) : Task.CompletedTask;
    }
}
