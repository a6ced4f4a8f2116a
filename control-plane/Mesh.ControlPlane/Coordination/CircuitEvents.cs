using System.Globalization;
using Microsoft.Extensions.Logging;

namespace Mesh.ControlPlane.Coordination;

/// <summary>The last decisions, for the page, and a line of the log for each. Not thread-safe.</summary>
/// <param name="logger">Log.</param>
internal sealed partial class CircuitEvents(ILogger logger)
{
    /// <summary>Decisions that are kept.</summary>
    public const int Length = 100;

    private readonly Queue<(DateTimeOffset At, string Text)> _last = [];

    /// <summary>The last ones, oldest first.</summary>
    public IEnumerable<(DateTimeOffset At, string Text)> Last => _last;

    /// <summary>A circuit changed.</summary>
    public void Add(CircuitEntry circuit, CircuitChange change, DateTimeOffset at)
    {
        string states = change.From == change.To ? CircuitText.Of(change.To) : $"{CircuitText.Of(change.From)} -> {CircuitText.Of(change.To)}";
        string calls = string.Create(CultureInfo.InvariantCulture, $"{change.Calls.Failures} of {change.Calls.Calls} calls failed, {change.Calls.Slow} slow");
        string probers = change.To == Mesh.Rules.Wire.CircuitState.HalfOpen
            ? $"; on trial: {string.Join(", ", circuit.Circuit.Callers.Where(static c => c.IsProber).Select(static c => c.Reporter.Id))}"
            : "";
        string text = $"{circuit.Cluster} ({circuit.Rule}): {states}, {change.Reason}; {calls}{probers}";
        if (change.Reason == CircuitChange.OtherProbers) // where nobody calls, that goes on all day
        {
            LogDetail(text);
        }
        else
        {
            Add(text, at);
        }
    }

    /// <summary>Somebody said something by hand. Where the trace of it matters most, it stands in the log whether or not a circuit changed.</summary>
    public void AddByHand(string host, ForcedState? forced, string by, DateTimeOffset at) => Add(
        forced is null
            ? $"by hand, {by}: circuits of {host} go by what happens again"
            : $"by hand, {by}: circuits of {host} are {forced.Word} until {forced.Until:yyyy-MM-dd'T'HH:mm:ss'Z'}: {forced.Reason}",
        at);

    /// <summary>Something else is to be said of a circuit than before.</summary>
    public void AddTroubles(CircuitEntry circuit, CircuitTroubles before, DateTimeOffset at)
    {
        AddSick(circuit, before.Sick, at);
        if (circuit.Said.IsAhead && !before.IsAhead)
        {
            Warn(CircuitText.Ahead(circuit), at);
        }

        if (circuit.Said.Unbelievable is { } caller && caller != before.Unbelievable)
        {
            Warn(CircuitText.Unbelievable(circuit, caller), at);
        }
    }

    private void AddSick(CircuitEntry circuit, Reporter? before, DateTimeOffset at)
    {
        Reporter? now = circuit.Circuit.Sick;
        if (now is not null && now != before)
        {
            Keep($"{circuit.Cluster} ({circuit.Rule}): {now.Id} alone fails, the other callers do not", at);
            LogSick(circuit.Cluster, circuit.Rule, now.Id);
        }
        else if (now is null && before is not null)
        {
            Add($"{circuit.Cluster} ({circuit.Rule}): {before.Id} no longer fails alone", at);
        }
    }

    private void Warn(string text, DateTimeOffset at)
    {
        Keep(text, at);
        LogTrouble(text);
    }

    private void Add(string text, DateTimeOffset at)
    {
        Keep(text, at);
        LogDecision(text);
    }

    private void Keep(string text, DateTimeOffset at)
    {
        if (_last.Count == Length)
        {
            _last.Dequeue();
        }

        _last.Enqueue((at, text));
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "Circuit {Text}")]
    private partial void LogDecision(string text);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Circuit: {Text}")]
    private partial void LogTrouble(string text);

    [LoggerMessage(Level = LogLevel.Debug, Message = "Circuit {Text}")]
    private partial void LogDetail(string text);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Circuit {Cluster} ({Rule}): {Caller} alone fails, the other callers do not; look at it and its network")]
    private partial void LogSick(string cluster, string rule, string caller);
}
