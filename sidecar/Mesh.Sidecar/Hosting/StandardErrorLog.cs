using System.Globalization;
using Microsoft.Extensions.Logging;

namespace Mesh.Sidecar.Hosting;

/// <summary>One line per log entry on standard error: time, level, category's last word, text. The level can change while running.</summary>
/// <param name="output">Receives the lines.</param>
/// <param name="time">Clock of the time stamps.</param>
internal sealed class StandardErrorLog(TextWriter output, TimeProvider time) : ILoggerFactory
{
    private readonly Lock _gate = new();

    /// <summary>Entries below it are not written.</summary>
    public LogLevel Level { get; set; } = LogLevel.Information;

    /// <summary>Writes a line as it is.</summary>
    public void Line(string text)
    {
        lock (_gate)
        {
            output.WriteLine(text);
            output.Flush();
        }
    }

    /// <inheritdoc/>
    public ILogger CreateLogger(string categoryName) => new Logger(this, categoryName[(categoryName.LastIndexOf('.') + 1)..], IsForeign(categoryName));

    /// <inheritdoc/>
    public void AddProvider(ILoggerProvider provider) => throw new NotSupportedException("this log has one output");

    /// <inheritdoc/>
    public void Dispose()
    {
    }

    /// <summary>The web server under the admin port speaks only from warnings on.</summary>
    private static bool IsForeign(string category) => category.StartsWith("Microsoft.", StringComparison.Ordinal);

    private sealed class Logger(StandardErrorLog log, string category, bool isForeign) : ILogger
    {
        public bool IsEnabled(LogLevel logLevel) =>
            logLevel != LogLevel.None && logLevel >= log.Level && (!isForeign || logLevel >= LogLevel.Warning);

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            if (IsEnabled(logLevel))
            {
                string at = log.Time().UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'", CultureInfo.InvariantCulture);
                string stack = exception is null ? "" : $": {exception}".ReplaceLineEndings(" | ");
                log.Line($"{at} {logLevel.ToString().ToLowerInvariant()} {category}: {formatter(state, exception)}{stack}");
            }
        }
    }

    private DateTimeOffset Time() => time.GetUtcNow();
}
