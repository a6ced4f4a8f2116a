using System.Net.ServerSentEvents;
using System.Text.Json;
using Mesh.Proxy.Infrastructure;
using Mesh.Rules.Wire;
using Mesh.Sidecar.Rules;
using Microsoft.Extensions.Logging;

namespace Mesh.Sidecar.Control;

/// <summary>
/// Keeps this sidecar in step with the control plane: registers, follows the stream, puts each version in force and answers it, reports
/// each second. While the control plane is away everything keeps running; a start without it uses the state folder.
/// </summary>
internal sealed partial class SnapshotClient
{
    private readonly ControlPlaneApi _api;
    private readonly SnapshotPipeline _pipeline;
    private readonly ReadRules _read;
    private readonly LastGoodFile? _lastGood;
    private readonly ProxyRuntime _runtime;
    private readonly VersionAnswers _answers;
    private readonly ILogger _logger;
    private PushState _state = new();
    private string _heldVersion = ""; // what the next stream goes on from
    private volatile string _runningVersion = "";
    private string _toldTrouble = "";
    private bool _isConnected;
    private string _toldProblem = "";
    private volatile string? _id;
    private volatile bool _isReady = true;
    private volatile ReportBeat? _beat; // of the present session, or the last one

    /// <summary>Creates a client; <see cref="RunAsync"/> starts it.</summary>
    public SnapshotClient(
        ControlPlaneApi api, SnapshotPipeline pipeline, ReadRules read, LastGoodFile? lastGood, ProxyRuntime runtime)
    {
        _api = api;
        _pipeline = pipeline;
        _read = read;
        _lastGood = lastGood;
        _runtime = runtime;
        _answers = new VersionAnswers(api, runtime.Time);
        _logger = runtime.Loggers.CreateLogger<SnapshotClient>();
    }

    /// <summary>Called for each push that brings a rule which cannot be read, or that cannot be read itself.</summary>
    public Action Rejected { get; init; } = static () => { };

    /// <summary>Adds to a report what all callers share.</summary>
    public Func<SidecarReport, SidecarReport> Extend { get; init; } = static report => report;

    /// <summary>Called with what the control plane decided for all callers: the answer to a report, or what came in between. From two places at once.</summary>
    public Action<SidecarOrders> Ordered { get; init; } = static _ => { };

    /// <summary>Id given by the control plane, or null before the first registration.</summary>
    public string? Id => _id;

    /// <summary>The next report should not wait for its time. Any thread; never blocks or throws.</summary>
    public void ReportSoon() => _beat?.Hurry();

    /// <summary>Runs until <paramref name="stop"/>.</summary>
    public async Task RunAsync(SidecarRegistration registration, CancellationToken stop)
    {
        ReconnectPause pause = new(_runtime.Random, _api.Count);
        while (!stop.IsCancellationRequested)
        {
            SidecarRegistration current = registration with { Node = _id ?? registration.Node };
            SessionEnd end = await RunSessionAsync(current, stop);
            if (stop.IsCancellationRequested)
            {
                return;
            }

            TimeSpan next = pause.Next(_isConnected, end.RetryAfter);
            if (_isConnected || end.Problem != _toldProblem)
            {
                LogLost(end.Problem);
            }

            _toldProblem = end.Problem;
            _isConnected = false;
            _api.MoveOn();
            await UseLastGoodAsync();
            await Task.Delay(next, _runtime.Time, stop).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    /// <summary>Tells the control plane that this sidecar takes no new traffic, so that peers stop dialling it. Never throws.</summary>
    public async Task LeaveAsync(CancellationToken stop)
    {
        _isReady = false;
        if (_id is { } id)
        {
            try
            {
                await _api.ReportAsync(id, Report(), stop);
            }
            catch (Exception error) when (error is HttpRequestException or OperationCanceledException)
            {
                LogLost(error.Message); // its lease ends by itself
            }
        }
    }

    private async Task<SessionEnd> RunSessionAsync(SidecarRegistration registration, CancellationToken stop)
    {
        using CancellationTokenSource session = CancellationTokenSource.CreateLinkedTokenSource(stop);
        try
        {
            SidecarRegistered registered = await _api.RegisterAsync(registration, stop);
            _id = registered.Id;
            LogRegistered(registered.Id);
            Task<SessionEnd> stream = FollowAsync(registered.Id, session.Token);
            Task<SessionEnd> reports = ReportAsync(registered, session.Token);
            Task<SessionEnd> first = await Task.WhenAny(stream, reports);
            await session.CancelAsync();
            await Task.WhenAll(stream, reports);
            return await first;
        }
        catch (Exception error) when (IsExpected(error))
        {
            return SessionEnd.Of(error);
        }
    }

    /// <summary>Follows the stream until it ends; returns why. Only the newest state matters, but deltas build on each other: all are taken.</summary>
    private async Task<SessionEnd> FollowAsync(string id, CancellationToken stop)
    {
        try
        {
            await foreach (SseItem<string> item in _api.StreamAsync(id, _heldVersion, stop))
            {
                _isConnected = true;
                if (item.EventType == SseWriter.PushEvent)
                {
                    await TakeAsync(id, item.EventId ?? "", item.Data, stop);
                }
                else if (item.EventType == SseWriter.OrdersEvent && JsonSerializer.Deserialize(item.Data, WireJson.Default.SidecarOrders) is { } orders)
                {
                    Ordered(orders);
                }
            }

            return new SessionEnd("the stream ended");
        }
        catch (Exception error) when (IsExpected(error))
        {
            return SessionEnd.Of(error);
        }
    }

    private async Task TakeAsync(string id, string version, string text, CancellationToken stop)
    {
        PushReadResult read = PushMessageReader.Read(text);
        if (read.Message is not { } push)
        {
            Rejected();
            _heldVersion = PushState.PartOf(_state.Version);
            SidecarFinding unreadable = new("", "error", "", $"{read.Error}; is this sidecar older than the control plane?");
            await AnswerAsync(id, new SidecarAck { Version = version, Accepted = false, Findings = [unreadable] }, stop);
            return;
        }

        PushState next = _state.With(push, _read);
        PipelineResult result = await _pipeline.ApplyAsync(next.View, push.Version);
        if (push.Rules.Any(rule => next.Refused.ContainsKey(rule.Key)))
        {
            Rejected();
        }

        Hold(next, result);
        if (result.IsAccepted)
        {
            ReportSoon(); // circuits that all callers share may be open: what is new here hears it before it has called much
            _lastGood?.Save(next.ToFullPush());
        }

        bool isAccepted = result.IsAccepted && next.Refused.IsEmpty;
        if (!isAccepted)
        {
            LogRefused(push.Version);
        }

        await AnswerAsync(
            id,
            new SidecarAck { Version = push.Version, Accepted = isAccepted, Findings = [.. next.Refused.Values.SelectMany(static f => f), .. result.Findings] },
            stop);
    }

    // Refused or not: the next delta builds on this one. A version with something to say of it is not held: another replica, or the next run of this one, would find
    // that nothing is missing, send nothing, and never hear what was said.
    private void Hold(PushState next, PipelineResult result)
    {
        bool isWhole = result.IsAccepted && next.Refused.IsEmpty && result.Findings.IsEmpty;
        _state = next;
        _heldVersion = isWhole ? next.Version : PushState.PartOf(next.Version);
        if (result.IsAccepted)
        {
            _runningVersion = _heldVersion;
        }
    }

    private async Task AnswerAsync(string id, SidecarAck ack, CancellationToken stop)
    {
        if (await _answers.SayAsync(id, ack, stop) is { } problem)
        {
            LogUnsaid(ack.Version, problem);
        }
    }

    private async Task<SessionEnd> ReportAsync(SidecarRegistered registered, CancellationToken stop)
    {
        try
        {
            using ReportBeat beat = new(TimeSpan.FromMilliseconds(registered.ReportIntervalMilliseconds), _runtime.Time);
            _beat = beat;
            do
            {
                await beat.NextAsync(stop);
            }
            while (await TryReportAsync(registered.Id, stop));

            return new SessionEnd("the control plane does not know this sidecar any more");
        }
        catch (Exception error) when (IsExpected(error))
        {
            return SessionEnd.Of(error);
        }
    }

    /// <summary>One report, and the answer that could not be said before; false when the id is not known. What fails otherwise is tried at the next tick: the stream may be well.</summary>
    private async Task<bool> TryReportAsync(string id, CancellationToken stop)
    {
        try
        {
            if (await _api.ReportAsync(id, Report(), stop) is not { } orders)
            {
                return false;
            }

            Ordered(orders);
            _isConnected = true; // who has all there is hears nothing on the stream
            _toldTrouble = "";
            await _answers.SayAgainAsync(id, stop);
        }
        catch (HttpRequestException passing) when (!ControlPlaneApi.EndsSession(passing))
        {
            if (passing.Message != _toldTrouble)
            {
                LogNotReported(passing.Message);
            }

            _toldTrouble = passing.Message;
        }

        return true;
    }

    private async Task UseLastGoodAsync()
    {
        if (_pipeline.Current is null && _lastGood?.Load() is { } push)
        {
            PushState loaded = new PushState().With(push, _read);
            PipelineResult result = await _pipeline.ApplyAsync(loaded.View, push.Version);
            LogLastGood(push.Version, result.IsAccepted);
            if (result.IsAccepted)
            {
                Hold(loaded, result); // the control plane learns that there is a state: one that has just started will not empty it
            }
        }
    }

    private SidecarReport Report() => Extend(new SidecarReport { Version = _runningVersion, Ready = _isReady });

    private static bool IsExpected(Exception error) =>
        error is HttpRequestException or IOException or OperationCanceledException or JsonException;

    /// <summary>Why a session ended.</summary>
    private readonly record struct SessionEnd(string Problem, TimeSpan RetryAfter = default)
    {
        public static SessionEnd Of(Exception error) => new(error.Message, (error as ControlPlaneRefusal)?.RetryAfter ?? TimeSpan.Zero);
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "Registered at the control plane as {Id}")]
    private partial void LogRegistered(string id);

    [LoggerMessage(Level = LogLevel.Warning, Message = "The control plane is away, the rules in force stay: {Problem}")]
    private partial void LogLost(string problem);

    [LoggerMessage(Level = LogLevel.Warning, Message = "The control plane takes no report, the next one is due in a moment: {Problem}")]
    private partial void LogNotReported(string problem);

    [LoggerMessage(Level = LogLevel.Warning, Message = "The answer to version {Version} did not arrive and is said again later: {Problem}")]
    private partial void LogUnsaid(string version, string problem);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Version {Version} is refused, wholly or in part; what it would have replaced stays")]
    private partial void LogRefused(string version);

    [LoggerMessage(Level = LogLevel.Information, Message = "Version {Version} from the state folder is in force: {Accepted}")]
    private partial void LogLastGood(string version, bool accepted);
}
