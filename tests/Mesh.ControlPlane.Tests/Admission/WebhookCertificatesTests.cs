using Mesh.ControlPlane.Admission;
using Mesh.Testing;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Mesh.ControlPlane.Tests.Admission;

public sealed class WebhookCertificatesTests
{
    [Fact]
    public async Task Renew_TwoReplicas_ShowTheSameCertificate()
    {
        FakeSecret secret = new();
        FakeTimeProvider time = new();
        using WebhookCertificates first = New(secret, time);
        using WebhookCertificates second = New(secret, time);
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
        using WebhookCertificates certificates = New(secret, new FakeTimeProvider());
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
        using WebhookCertificates certificates = New(secret, time);
        await certificates.RenewAsync(default);
        string before = certificates.Current!.Thumbprint;
        using CancellationTokenSource stop = new();
        Task running = certificates.RunAsync(stop.Token);

        secret.Problem = "the API server is away";
        time.Advance(WebhookAuthority.CertificateLife * 0.7);
        await secret.Asked.Task.WaitAsync(TimeSpan.FromSeconds(10));
        Assert.Equal(before, certificates.Current!.Thumbprint);

        secret.Problem = null;
        await Eventually.HoldsAsync(
            () =>
            {
                time.Advance(WebhookCertificates.RetryInterval);
                return certificates.Current!.Thumbprint != before;
            },
            "a new certificate");
        await stop.CancelAsync();
        await running.WaitAsync(TimeSpan.FromSeconds(10));
    }

    private static WebhookCertificates New(FakeSecret secret, TimeProvider time) =>
        new(secret, secret, "mesh.mesh-system", time, NullLogger.Instance);

    private sealed class FakeSecret : ICertificateStore, ICaBundleTarget
    {
        private KeptCertificates? _kept;

        public Func<Task>? BeforeWrite { get; set; }

        public string? Problem { get; set; }

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

        public Task PublishAsync(string bundle, CancellationToken cancellationToken) => Task.CompletedTask;
    }
}
