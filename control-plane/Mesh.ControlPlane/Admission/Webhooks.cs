using Mesh.ControlPlane.Hosting;
using Mesh.ControlPlane.Store;
using Mesh.Injection;
using Microsoft.Extensions.Logging;

namespace Mesh.ControlPlane.Admission;

/// <summary>The webhooks of one process: listener and certificate. Start once, dispose once.</summary>
internal sealed class Webhooks : IAsyncDisposable
{
    private readonly WebhookCertificates _certificates;
    private readonly WebhookServer _server;
    private readonly CancellationTokenSource _stop = new();
    private readonly bool _isCluster;
    private Task _renewal = Task.CompletedTask;

    /// <summary>Puts them together.</summary>
    /// <param name="options">Options with <c>--webhook-listen</c>.</param>
    /// <param name="settings">Settings of injected sidecars.</param>
    /// <param name="rules">Rules in force.</param>
    /// <param name="runtime">Clock and log.</param>
    /// <param name="cluster">The cluster that keeps the certificates; null for a folder.</param>
    public Webhooks(
        ServeOptions options, InjectionSettings settings, IRuleStore rules, (TimeProvider Time, ILoggerProvider Log) runtime, ClusterCertificates? cluster = null)
    {
        CertificateFolder? folder = cluster is null ? new CertificateFolder(Path.Combine(options.Data, "webhook")) : null;
        _isCluster = cluster is not null;
        _certificates = new WebhookCertificates(
            (ICertificateStore?)cluster ?? folder!, (ICaBundleTarget?)cluster ?? folder!, options.WebhookService, runtime.Time,
            runtime.Log.CreateLogger(typeof(WebhookCertificates).FullName!));
        _server = new WebhookServer(options.WebhookListen!, _certificates, new InjectionWebhook(settings), new RuleWebhook(rules), runtime);
    }

    /// <summary>Counters, for the page of metrics.</summary>
    public WebhookStats Stats => _server.Stats;

    /// <summary>What <c>--injection-settings</c> names, or the defaults; or what is wrong with it.</summary>
    public static (InjectionSettings? Settings, string? Problem) ReadSettings(ServeOptions options)
    {
        if (options.InjectionSettings is not { } file)
        {
            return (InjectionSettings.Default, null);
        }

        try
        {
            (InjectionSettings? settings, string? problem) = SettingRow.Read(File.ReadAllText(file));
            return (settings, problem is null ? null : $"--injection-settings: {file}: {problem}");
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return (null, $"--injection-settings: {error.Message}");
        }
    }

    /// <summary>Makes or reads the certificate, binds, and begins to renew; throws <see cref="IOException"/> when the machine refuses.</summary>
    /// <param name="print">Receives <c>webhook listening on URL</c>.</param>
    public async Task StartAsync(Action<string> print)
    {
        if (!_isCluster)
        {
            await _certificates.RenewAsync(_stop.Token); // an API server may be away for a while, a folder that cannot be written stays so
        }

        await _server.StartAsync(print);
        _renewal = _certificates.RunAsync(_stop.Token);
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _renewal;
        await _server.DisposeAsync();
        _certificates.Dispose();
        _stop.Dispose();
    }
}
