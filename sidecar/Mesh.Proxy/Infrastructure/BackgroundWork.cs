using System.Diagnostics.CodeAnalysis;
using Mesh.Proxy.Telemetry;
using Microsoft.Extensions.Logging;

namespace Mesh.Proxy.Infrastructure;

/// <summary>Runs work that nobody awaits. An exception there is a bug: it is logged and counted, and never takes the process down. Thread-safe.</summary>
internal sealed partial class BackgroundWork(ILogger logger, StripedCounter unexpectedExceptions)
{
    /// <summary>Starts <paramref name="work"/> on the caller's thread and observes how it ends.</summary>
    public void Start<T>(string name, Func<T, Task> work, T state) => _ = RunAsync(name, work, state);

    /// <summary>Calls <paramref name="work"/> now.</summary>
    [SuppressMessage("Design", "CA1031", Justification = "Last resort of background work: whatever escapes is a bug and must be counted, not kill the process.")]
    public void Guard<T>(string name, Action<T> work, T state)
    {
        try
        {
            work(state);
        }
        catch (Exception bug)
        {
            Report(name, bug);
        }
    }

    /// <summary>The same for one who waits for its end: that comes whatever has escaped.</summary>
    [SuppressMessage("Design", "CA1031", Justification = "Last resort of background work: whatever escapes is a bug and must be counted, not kill the process.")]
    public async Task RunAsync<T>(string name, Func<T, Task> work, T state)
    {
        try
        {
            await work(state);
        }
        catch (Exception bug)
        {
            Report(name, bug);
        }
    }

    /// <summary>Counts and logs a bug that was caught elsewhere.</summary>
    public void Report(string name, Exception bug)
    {
        unexpectedExceptions.Add();
        LogUnexpected(logger, name, bug);
    }

    [LoggerMessage(Level = LogLevel.Error, Message = "Background work '{Name}' failed; please report this")]
    private static partial void LogUnexpected(ILogger logger, string name, Exception bug);
}
