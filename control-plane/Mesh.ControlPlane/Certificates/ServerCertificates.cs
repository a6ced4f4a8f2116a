using System.Security.Cryptography.X509Certificates;
using Microsoft.Extensions.Logging;

namespace Mesh.ControlPlane.Certificates;

/// <summary>
/// Keeps the control plane's certificate good: makes it at the start, looks each minute whether it or its authority is to be renewed, and tells API servers what to
/// trust. Start once, dispose once.
/// </summary>
internal sealed partial class ServerCertificates : IServerCertificates, IAsyncDisposable
{
    /// <summary>Time between looks: so long may a configuration that was just installed, or reset by an upgrade, refuse pods.</summary>
    public static readonly TimeSpan Interval = TimeSpan.FromMinutes(1);

    /// <summary>Time between looks after one failed.</summary>
    public static readonly TimeSpan RetryInterval = TimeSpan.FromSeconds(10);

    private readonly ICertificateStore _store;
    private readonly ICaBundleTarget? _target;
    private readonly string[] _names;
    private readonly TimeProvider _time;
    private readonly ILogger _log;
    private readonly CancellationTokenSource _stop = new();
    private volatile KeptCertificates? _kept;
    private volatile X509Certificate2? _current;
    private volatile string? _trouble;
    private string _shown = "";
    private string _trusted = ""; // the authority of what is shown
    private Task _renewal = Task.CompletedTask;

    /// <summary>Makes it; nothing is asked yet.</summary>
    /// <param name="store">Where the certificates are kept.</param>
    /// <param name="target">Who is told what to trust; null when there is no webhook.</param>
    /// <param name="service">The control plane's Service, <c>NAME.NAMESPACE</c>.</param>
    /// <param name="time">Clock.</param>
    /// <param name="log">Log.</param>
    public ServerCertificates(ICertificateStore store, ICaBundleTarget? target, string service, TimeProvider time, ILogger log)
    {
        (_store, _target, _time, _log) = (store, target, time, log);
        _names = [$"{service}.svc", $"{service}.svc.cluster.local", service, service.Split('.')[0]];
    }

    /// <summary>Raised after <see cref="Bundle"/> changed; on the thread of the loop.</summary>
    public event Action? BundleChanged;

    /// <inheritdoc/>
    public X509Certificate2? Current => _current;

    /// <inheritdoc/>
    public string? Trouble => _trouble;

    /// <summary>What clients are to trust, PEM; null as long as there is none.</summary>
    public string? Bundle => _kept?.Bundle;

    /// <summary>Begins to renew. A folder is written at once, and this throws <see cref="IOException"/> when that fails; a cluster may be away for a while.</summary>
    public async Task StartAsync()
    {
        if (_store is CertificateFolder)
        {
            await RenewAsync(_stop.Token);
        }

        _renewal = RunAsync(_stop.Token);
    }

    /// <summary>Brings all up to date once. Throws <see cref="IOException"/> when the store or the target cannot be reached; what was shown stays.</summary>
    public async Task RenewAsync(CancellationToken cancellationToken)
    {
        KeptCertificates? kept;
        KeptCertificates next;
        do
        {
            kept = await _store.ReadAsync(cancellationToken);
            next = CertificateAuthority.Advance(kept, _names, _time.GetUtcNow());
        }
        while (next != kept && !await _store.TryWriteAsync(kept, next, cancellationToken)); // another replica was faster: take what it made

        bool isNewBundle = _kept?.Bundle != next.Bundle;
        _kept = next;
        if (isNewBundle)
        {
            BundleChanged?.Invoke();
        }

        if (_current is null || _trusted == next.Authority)
        {
            Show(next); // nobody loses anything, and sidecars need not wait for the right to write a webhook configuration
        }

        // Trust goes first: what replaces another must be trusted already.
        await (_target?.PublishAsync(next.Bundle, cancellationToken) ?? Task.CompletedTask);
        Show(next);
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
    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _renewal;
        _current?.Dispose();
        _stop.Dispose();
    }

    private void Show(KeptCertificates kept)
    {
        if (_shown != kept.Certificate)
        {
            X509Certificate2 next = CertificateAuthority.Load(kept);
            (_shown, _trusted) = (kept.Certificate, kept.Authority);
            _current = next; // the old one is left to the collector: a handshake may be using it
            LogShown(next.NotAfter);
        }
    }

    private async Task<bool> TryRenewAsync(CancellationToken cancellationToken)
    {
        try
        {
            await RenewAsync(cancellationToken);
            _trouble = null;
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
#pragma warning disable CA1031 // A background loop: what somebody has put into the Secret must not end it unseen.
        catch (Exception error)
#pragma warning restore CA1031
        {
            if (_trouble != error.Message)
            {
                _trouble = error.Message;
                LogUnexpected(error);
            }

            return false;
        }
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "the control plane shows a certificate that is good until {End:yyyy-MM-dd}")]
    private partial void LogShown(DateTime end);

    [LoggerMessage(Level = LogLevel.Warning, Message = "the certificate of the control plane cannot be looked after, the last one stays: {Problem}")]
    private partial void LogFailed(string problem);

    [LoggerMessage(Level = LogLevel.Error, Message = "Unexpected: the certificate of the control plane cannot be looked after, the last one stays")]
    private partial void LogUnexpected(Exception error);
}
