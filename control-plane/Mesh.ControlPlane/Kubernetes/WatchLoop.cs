using System.Globalization;
using System.Text.Json;
using Microsoft.Extensions.Logging;

namespace Mesh.ControlPlane.Kubernetes;

/// <summary>
/// Keeps a sink in step with one resource of an API server: lists, then watches from the list's version on; a stream that ends or breaks is taken up where it
/// was, a version that is too old is listed anew. What cannot be had (no such resource, no right) is said once, asked for again slowly, and until then
/// the sink keeps what it has. Versions are opaque: never compared, only given back.
/// </summary>
/// <param name="client">The server.</param>
/// <param name="type">The resource.</param>
/// <param name="sink">Takes the objects.</param>
/// <param name="runtime">Clock, chance and log.</param>
internal sealed partial class WatchLoop(
    KubernetesClient client, ResourceType type, IWatchSink sink, (TimeProvider Time, Random Random, ILogger Logger) runtime)
{
    /// <summary>Pause before something that a person must mend first is tried again.</summary>
    public static readonly TimeSpan SlowRetry = TimeSpan.FromSeconds(15);

    /// <summary>Pause before a resource is looked for again that nobody has seen yet.</summary>
    public static readonly TimeSpan SecondLook = TimeSpan.FromSeconds(2);

    private const int PageSize = 500;
    private static readonly TimeSpan ShortestWatch = TimeSpan.FromMinutes(5);
    private static readonly TimeSpan Tolerance = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan UsefulWatch = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(1);

    private readonly TimeProvider _time = runtime.Time;
    private readonly ILogger _logger = runtime.Logger;
    private readonly Backoff _backoff = new(runtime.Random);
    private readonly TaskCompletionSource _firstList = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private string? _served;
    private string? _version;
    private int _missing;
    private volatile string? _trouble;
    private long _lists;
    private long _watches;

    /// <summary>The resource.</summary>
    public ResourceType Type => type;

    /// <summary>Completes when the sink has been filled once; for a resource that the server does not serve, when that is sure.</summary>
    public Task FirstList => _firstList.Task;

    /// <summary>Why what the sink has may be old; null while all is well.</summary>
    public string? Trouble => _trouble;

    /// <summary>Whole lists so far.</summary>
    public long Lists => Interlocked.Read(ref _lists);

    /// <summary>Watches opened so far.</summary>
    public long Watches => Interlocked.Read(ref _watches);

    /// <summary>Follows the resource until <paramref name="stop"/>.</summary>
    public async Task RunAsync(CancellationToken stop)
    {
        while (!stop.IsCancellationRequested)
        {
            try
            {
                TimeSpan pause = _version is null ? await ListAsync(stop) : await WatchAsync(stop);
                await Task.Delay(pause, _time, stop);
            }
            catch (OperationCanceledException) when (stop.IsCancellationRequested)
            {
                return;
            }
#pragma warning disable CA1031 // A background loop: one object that trips a bug must not end the watch of all others.
            catch (Exception error)
#pragma warning restore CA1031
            {
                LogUnexpected(error, type.Name);
                _version = null;
                await Task.Delay(_backoff.Next(), _time, stop).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }
    }

    private async Task<TimeSpan> ListAsync(CancellationToken stop)
    {
        if (_served is null)
        {
            (_served, ApiFailure? unknown) = await ServedVersions.FindAsync(client, type, stop);
            if (unknown is not null)
            {
                return await MissingAsync(unknown, stop);
            }
        }

        if (await ReadPagesAsync(stop) is { } failure)
        {
            _served = failure.Kind == FailureKind.NotFound ? null : _served; // the next round asks what is served now
            return After(failure);
        }

        _missing = 0;
        Interlocked.Increment(ref _lists);
        _firstList.TrySetResult();
        return TimeSpan.Zero;
    }

    private async Task<ApiFailure?> ReadPagesAsync(CancellationToken stop)
    {
        string query = $"?limit={PageSize}{type.Query}";
        string more = "";
        string? version = null;
        sink.BeginList();
        while (version is null || more.Length > 0)
        {
            using ApiAnswer page = await client.GetAsync($"{type.Path(_served!)}{query}{more}", stop);
            if (page.Failure is { Kind: FailureKind.Expired } && more.Length > 0)
            {
                (query, more, version) = (type.Query.Length == 0 ? "" : $"?{type.Query[1..]}", "", null); // the list took longer than the server remembers: once more, in one piece
                sink.BeginList();
                continue;
            }

            if (page.Failure is not null)
            {
                return page.Failure;
            }

            foreach (JsonElement item in page.Object.Items("items"))
            {
                sink.AddListed(item);
            }

            JsonElement metadata = page.Object.Find("metadata") ?? default;
            version = metadata.Text("resourceVersion");
            more = metadata.Text("continue") is { Length: > 0 } token ? $"&continue={Uri.EscapeDataString(token)}" : "";
        }

        _version = version;
        sink.EndList();
        return null;
    }

    private async Task<TimeSpan> WatchAsync(CancellationToken stop)
    {
        TimeSpan length = ShortestWatch + (ShortestWatch * runtime.Random.NextDouble()); // so that not all watches of all replicas end at once
        string query = string.Create(
            CultureInfo.InvariantCulture,
            $"?watch=true&allowWatchBookmarks=true&timeoutSeconds={(int)length.TotalSeconds}&resourceVersion={Uri.EscapeDataString(_version!)}{type.Query}");
        using CancellationTokenSource silent = new(length + Tolerance, _time); // the server should have ended it by then: nobody is there
        using CancellationTokenSource either = CancellationTokenSource.CreateLinkedTokenSource(silent.Token, stop);
        (WatchStream? opened, ApiFailure? refusal) = await client.WatchAsync(type.Path(_served!) + query, stop);
        if (opened is null)
        {
            return AfterWatch(refusal, isUseful: false);
        }

        using WatchStream stream = opened;
        Interlocked.Increment(ref _watches);
        TakeRecovery();
        long since = _time.GetTimestamp();
        bool hasEvents = false;
        while (true)
        {
            WatchRead read;
            try
            {
                read = await stream.ReadAsync(either.Token);
            }
            catch (OperationCanceledException) when (!stop.IsCancellationRequested)
            {
                read = new WatchRead(null, ApiFailure.Unreachable("the watch went silent"));
            }

            using WatchEvent? happened = read.Event;
            if (happened is null || happened.Type == "ERROR")
            {
                ApiFailure? failure = happened is null ? read.Failure : ApiFailure.FromStatus(happened.Object);
                _version = happened is null ? _version : null; // any error inside a stream: only a list tells what is true now
                return AfterWatch(failure, hasEvents || _time.GetElapsedTime(since) >= UsefulWatch);
            }

            hasEvents = true;
            Take(happened);
        }
    }

    private void Take(WatchEvent happened)
    {
        switch (happened.Type)
        {
            case "ADDED" or "MODIFIED":
                sink.Set(happened.Object);
                break;
            case "DELETED":
                sink.Remove(happened.Object);
                break;
            default: // a bookmark, or something of the future: only its version counts
                break;
        }

        string version = (happened.Object.Find("metadata") ?? default).Text("resourceVersion");
        _version = version.Length > 0 ? version : _version;
    }

    private TimeSpan AfterWatch(ApiFailure? failure, bool isUseful)
    {
        if (isUseful)
        {
            _backoff.Reset();
        }

        switch (failure?.Kind)
        {
            case null:
                return isUseful ? _backoff.Jitter(Pause) : _backoff.Next(); // a server that ends each watch at once must not be hammered
            case FailureKind.Expired:
                _version = null;
                return _backoff.Next();
            case FailureKind.NotFound:
                (_version, _served) = (null, null);
                return After(failure);
            case FailureKind.Forbidden or FailureKind.Refused:
                _version = null; // if lists are still allowed, they at least bring what happened meanwhile
                return After(failure);
            default:
                return isUseful && failure.Kind == FailureKind.Unreachable ? _backoff.Jitter(Pause) : After(failure);
        }
    }

    /// <summary>Notes the trouble and says how long to wait.</summary>
    private TimeSpan After(ApiFailure failure)
    {
        if (_trouble != failure.Message)
        {
            _trouble = failure.Message;
            LogTrouble(type.Name, failure.Message);
        }

        TimeSpan pause = failure.Kind is FailureKind.NotFound or FailureKind.Forbidden ? _backoff.Jitter(SlowRetry) : _backoff.Next();
        return failure.RetryAfter is { } asked && asked > pause ? asked : pause;
    }

    /// <summary>
    /// A server that is starting does not know resources that it will serve in a moment: definitions are read after the door is open. So a resource counts as missing
    /// only when a server that calls itself ready says so twice; until then nobody is told that there are no such objects.
    /// </summary>
    private async Task<TimeSpan> MissingAsync(ApiFailure failure, CancellationToken stop)
    {
        TimeSpan pause = After(failure);
        bool isSure = failure.Kind == FailureKind.NotFound && await client.IsReadyAsync(stop) && ++_missing >= 2;
        if (!isSure)
        {
            return _firstList.Task.IsCompleted || failure.Kind != FailureKind.NotFound ? pause : _backoff.Jitter(SecondLook);
        }

        if (_missing == 2)
        {
            sink.BeginList();
            sink.EndList();
        }

        _firstList.TrySetResult();
        return pause;
    }

    private void TakeRecovery()
    {
        if (_trouble is not null)
        {
            _trouble = null;
            LogRecovered(type.Name);
        }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "{Resource} cannot be followed: {Problem}; what is known stays in force, and it is tried again")]
    private partial void LogTrouble(string resource, string problem);

    [LoggerMessage(Level = LogLevel.Information, Message = "{Resource} can be followed again")]
    private partial void LogRecovered(string resource);

    [LoggerMessage(Level = LogLevel.Error, Message = "Unexpected: {Resource} must be listed anew")]
    private partial void LogUnexpected(Exception error, string resource);
}
