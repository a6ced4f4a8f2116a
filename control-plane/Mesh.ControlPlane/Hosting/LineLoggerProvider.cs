using System.Globalization;
using Microsoft.Extensions.Logging;

namespace Mesh.ControlPlane.Hosting;

/// <summary>Writes each log entry as one line: time, level, last word of the category, text. Thread-safe.</summary>
/// <param name="output">Receives the lines.</param>
/// <param name="time">Clock of the time stamps.</param>
internal sealed class LineLoggerProvider(TextWriter output, TimeProvider time) : ILoggerProvider
{
    private readonly Lock _gate = new();

    /// <inheritdoc/>
    public ILogger CreateLogger(string categoryName) => new LineLogger(this, categoryName);

    /// <inheritdoc/>
    public void Dispose()
    {
    }

    private void Write(string line)
    {
        lock (_gate)
        {
            output.WriteLine(line);
            output.Flush();
        }
    }

    private sealed class LineLogger(LineLoggerProvider owner, string category) : ILogger
    {
        private readonly string _name = category[(category.LastIndexOf('.') + 1)..];
        private readonly LogLevel _lowest = category.StartsWith("Microsoft.", StringComparison.Ordinal) ? LogLevel.Warning : LogLevel.Information;

        /// <summary>What keeps the host from starting is said by <c>serve</c> itself, in one line.</summary>
        private readonly bool _isMute = category.StartsWith("Microsoft.Extensions.Hosting", StringComparison.Ordinal);

        public bool IsEnabled(LogLevel logLevel) => !_isMute && logLevel >= _lowest && logLevel != LogLevel.None;

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            if (!IsEnabled(logLevel))
            {
                return;
            }

            string now = owner.Now().ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'", CultureInfo.InvariantCulture);
            string error = exception is null ? "" : " | " + exception.ToString().ReplaceLineEndings(" | ");
            owner.Write($"{now} {logLevel.ToString().ToLowerInvariant()} {_name}: {formatter(state, exception)}{error}");
        }
    }

    private DateTime Now() => time.GetUtcNow().UtcDateTime;
}
