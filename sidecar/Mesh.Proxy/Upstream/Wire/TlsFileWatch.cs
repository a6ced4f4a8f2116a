using Mesh.Proxy.Infrastructure;
using Mesh.Proxy.Telemetry;
using Mesh.Rules.Snapshots;
using Microsoft.Extensions.Logging;

namespace Mesh.Proxy.Upstream.Wire;

/// <summary>
/// Looks each second whether a certificate, key or list has changed: notifications miss what happens on mounted volumes. Clusters that name the same files share
/// them. Thread-safe.
/// </summary>
internal sealed partial class TlsFileWatch
{
    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(1);

    private readonly TimeProvider _time;
    private readonly Ticker _ticker;
    private readonly BackgroundWork _background;
    private readonly ProxyStats _stats;
    private readonly ILogger _logger;
    private readonly TickEntry _tick;
    private readonly Lock _gate = new();
    private readonly Dictionary<TlsFilesConfig, TlsFiles> _watched = [];

    public TlsFileWatch(TimeProvider time, Ticker ticker, BackgroundWork background, ProxyStats stats, ILogger logger)
    {
        (_time, _ticker, _background, _stats, _logger) = (time, ticker, background, stats, logger);
        _tick = new TickEntry(LookAtAll);
    }

    /// <summary>The files; read now and watched from now on.</summary>
    public TlsFiles Get(TlsFilesConfig config)
    {
        TlsFiles? files;
        lock (_gate)
        {
            if (_watched.TryGetValue(config, out files))
            {
                return files;
            }

            _watched.Add(config, files = new TlsFiles(config));
        }

        Look(files);
        if (files.CanChange)
        {
            ScheduleNext();
        }

        return files;
    }

    /// <summary>Ends the watch of all other files.</summary>
    public void Retain(IEnumerable<TlsFilesConfig> inUse)
    {
        lock (_gate)
        {
            if (_watched.Count > 0)
            {
                HashSet<TlsFilesConfig> kept = [.. inUse];
                foreach (TlsFilesConfig gone in _watched.Keys.Where(c => !kept.Contains(c)).ToArray())
                {
                    _watched.Remove(gone);
                }
            }
        }
    }

    private void LookAtAll()
    {
        TlsFiles[] all;
        lock (_gate)
        {
            all = [.. _watched.Values.Where(static f => f.CanChange)];
        }

        foreach (TlsFiles files in all)
        {
            Look(files);
        }

        if (all.Length > 0)
        {
            ScheduleNext();
        }
    }

    private void Look(TlsFiles files) => _background.Start("TLS files", static s => s.Watch.LookAsync(s.Files), (Watch: this, Files: files));

    private async Task LookAsync(TlsFiles files)
    {
        if (!await files.LookAsync())
        {
            return;
        }

        if (files.Problem.Length == 0)
        {
            _stats.TlsFilesRead.Add();
        }
        else
        {
            _stats.TlsFilesRejected.Add();
            LogRejected(_logger, files.Current is null ? "connections fail until it is mended" : "what it said before stays in force", files.Problem);
        }
    }

    private void ScheduleNext() =>
        _ticker.ScheduleNoLaterThan(_tick, _time.GetTimestamp() + (long)(Pause.TotalSeconds * _time.TimestampFrequency));

    [LoggerMessage(Level = LogLevel.Warning, Message = "A TLS file cannot be used, {Consequence}: {Problem}")]
    private static partial void LogRejected(ILogger logger, string consequence, string problem);
}
