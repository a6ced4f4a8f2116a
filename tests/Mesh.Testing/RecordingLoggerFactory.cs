using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;

namespace Mesh.Testing;

/// <summary>Keeps what was logged, as text. Thread-safe.</summary>
public sealed class RecordingLoggerFactory : ILoggerFactory
{
    private readonly ConcurrentQueue<(LogLevel Level, string Text)> _entries = new();

    /// <summary>Everything, oldest first.</summary>
    public IReadOnlyList<(LogLevel Level, string Text)> Entries => [.. _entries];

    /// <summary>Texts of warnings and errors.</summary>
    public IReadOnlyList<string> Warnings => [.. _entries.Where(static e => e.Level is LogLevel.Warning or LogLevel.Error).Select(static e => e.Text)];

    /// <summary>Forgets what a test has looked at.</summary>
    public void Clear() => _entries.Clear();

    public ILogger CreateLogger(string categoryName) => new Logger(_entries);

    public void AddProvider(ILoggerProvider provider) => throw new NotSupportedException("this factory only records");

    public void Dispose()
    {
    }

    private sealed class Logger(ConcurrentQueue<(LogLevel Level, string Text)> entries) : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
            entries.Enqueue((logLevel, exception is null ? formatter(state, null) : $"{formatter(state, exception)}: {exception}"));
    }
}
