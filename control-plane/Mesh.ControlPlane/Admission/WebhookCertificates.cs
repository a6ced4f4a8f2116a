using System.Security.Cryptography.X509Certificates;
using Microsoft.Extensions.Logging;

namespace Mesh.ControlPlane.Admission;

/// <summary>Keeps the webhooks' certificate good: makes it at the start, looks each minute whether it or its authority is to be renewed, and tells API servers what to trust.</summary>
internal sealed partial class WebhookCertificates : IWebhookCertificates, IDisposable
{
    /// <summary>Time between looks: so long may a configuration that was just installed, or reset by an upgrade, refuse pods.</summary>
    public static readonly TimeSpan Interval = TimeSpan.FromMinutes(1);

    /// <summary>Time between looks after one failed.</summary>
    public static readonly TimeSpan RetryInterval = TimeSpan.FromSeconds(10);

    private readonly ICertificateStore _store;
    private readonly ICaBundleTarget _target;
    private readonly string[] _names;
    private readonly TimeProvider _time;
    private readonly ILogger _log;
    private KeptCertificates? _shown;
    private volatile X509Certificate2? _current;
    private string _trouble = "";

    /// <summary>Makes it; nothing is asked yet.</summary>
    /// <param name="store">Where the certificates are kept.</param>
    /// <param name="target">Who is told what to trust.</param>
    /// <param name="service">The webhooks' Service, <c>NAME.NAMESPACE</c>.</param>
    /// <param name="time">Clock.</param>
    /// <param name="log">Log.</param>
    public WebhookCertificates(ICertificateStore store, ICaBundleTarget target, string service, TimeProvider time, ILogger log)
    {
        (_store, _target, _time, _log) = (store, target, time, log);
        _names = [$"{service}.svc", $"{service}.svc.cluster.local", service];
    }

    /// <inheritdoc/>
    public X509Certificate2? Current => _current;

    /// <summary>Brings all up to date once. Throws <see cref="IOException"/> when the store or the target cannot be reached; what was shown stays.</summary>
    public async Task RenewAsync(CancellationToken cancellationToken)
    {
        KeptCertificates? kept;
        KeptCertificates next;
        do
        {
            kept = await _store.ReadAsync(cancellationToken);
            next = WebhookAuthority.Advance(kept, _names, _time.GetUtcNow());
        }
        while (next != kept && !await _store.TryWriteAsync(kept, next, cancellationToken)); // another replica was faster: take what it made

        // Trust goes first: what is shown must be trusted already.
        await _target.PublishAsync(next.Bundle, cancellationToken);
        if (_shown?.Certificate != next.Certificate)
        {
            // The old one is left to the collector: a handshake may be using it.
            _current = WebhookAuthority.Load(next);
            LogShown(_current.NotAfter);
        }

        _shown = next;
    }

    /// <summary>Renews until cancelled.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        TimeSpan pause = _current is null ? TimeSpan.Zero : Interval;
        while (!cancellationToken.IsCancellationRequested)
        {
            await Task.Delay(pause, _time, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            pause = await TryRenewAsync(cancellationToken) ? Interval : RetryInterval;
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _current?.Dispose();

    private async Task<bool> TryRenewAsync(CancellationToken cancellationToken)
    {
        try
        {
            await RenewAsync(cancellationToken);
            _trouble = "";
            return true;
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            return true;
        }
        catch (IOException error)
        {
            if (_trouble != error.Message)
            {
                _trouble = error.Message;
                LogFailed(error.Message);
            }

            return false;
        }
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "the webhooks show a certificate that is good until {End:yyyy-MM-dd}")]
    private partial void LogShown(DateTime end);

    [LoggerMessage(Level = LogLevel.Warning, Message = "the webhooks' certificate cannot be looked after, the last one stays: {Problem}")]
    private partial void LogFailed(string problem);
}
