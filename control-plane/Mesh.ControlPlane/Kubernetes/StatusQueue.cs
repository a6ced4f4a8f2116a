using System.Text.Json.Nodes;
using Mesh.ControlPlane.Push;
using Mesh.Rules.Kinds;
using Mesh.Rules.Reading;
using Microsoft.Extensions.Logging;

namespace Mesh.ControlPlane.Kubernetes;

/// <summary>
/// Writes statuses to the API server: only while we lead, only what differs, each rule at most once a second however many sidecars answer. One that fails waits by
/// itself, longer each time, and the others go on; a server that asks for time gets it. The same words are not written twice within a minute, and then after two,
/// four, eight: another writer who insists is not fought. <see cref="Offer"/> may be called by anybody, <see cref="RunAsync"/> runs once.
/// </summary>
/// <param name="client">The server.</param>
/// <param name="isLeader">Whether we write.</param>
/// <param name="time">Clock.</param>
/// <param name="random">Chance.</param>
/// <param name="logger">Log.</param>
internal sealed partial class StatusQueue(
    KubernetesClient client, Func<bool> isLeader, TimeProvider time, Random random, ILogger<StatusQueue> logger)
{
    /// <summary>Who we are in managedFields.</summary>
    public const string FieldManager = "mesh-control-plane";

    private const int Attempts = 4;
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(1);

    private readonly Lock _gate = new();
    private readonly Dictionary<RuleKey, StatusWish> _pending = [];
    private readonly ChangeSignal _signal = new();
    private readonly WrittenStatuses _written = new(time); // used by the loop only, as all below
    private readonly StatusTroubles _troubles = new(time, random);
    private readonly Backoff _backoff = new(random);
    private string _trouble = "";
    private bool _isContestedSaid;
    private volatile bool _isPaused;
    private long _writes;

    /// <summary>Statuses written so far.</summary>
    public long Writes => Interlocked.Read(ref _writes);

    /// <summary>Whether the loop waits: for a wish, for its time, or between two rounds. For tests.</summary>
    internal bool IsPaused => _isPaused;

    /// <summary>The status that a rule shall have, and the object as it was last seen.</summary>
    /// <returns>False when we do not lead: whoever leads next works all of them out anew.</returns>
    public bool Offer(RuleKey key, JsonObject obj, JsonObject status)
    {
        if (!isLeader())
        {
            return false;
        }

        lock (_gate)
        {
            if (StatusPatch.Of(obj, status) is null)
            {
                _pending.Remove(key);
                return true;
            }

            _pending[key] = _pending.TryGetValue(key, out StatusWish? former) ? former.Replaced(obj, status) : new StatusWish(obj, status);
        }

        _signal.Set();
        return true;
    }

    /// <summary>Writes until <paramref name="stop"/>.</summary>
    public async Task RunAsync(CancellationToken stop)
    {
        while (!stop.IsCancellationRequested)
        {
            try
            {
                _isPaused = true;
                await WaitAsync(stop);
                _isPaused = false;
                TimeSpan pause = await WriteDueAsync(stop);
                _isPaused = true;
                await Task.Delay(pause, time, stop);
            }
            catch (OperationCanceledException) when (stop.IsCancellationRequested)
            {
                return;
            }
#pragma warning disable CA1031 // A background loop: one status that trips a bug must not end all others.
            catch (Exception error)
#pragma warning restore CA1031
            {
                LogUnexpected(error);
            }
        }
    }

    /// <summary>Waits for a new wish, or until an old one is due.</summary>
    private async Task WaitAsync(CancellationToken stop)
    {
        TimeSpan? left;
        lock (_gate)
        {
            left = _pending.Count == 0 ? null : _pending.Values.Min(wish => wish.Left(time));
        }

        if (left is null)
        {
            await _signal.WaitAsync(stop);
        }
        else if (left > TimeSpan.Zero)
        {
            using CancellationTokenSource due = new(left.Value, time);
            using CancellationTokenSource either = CancellationTokenSource.CreateLinkedTokenSource(due.Token, stop);
            try
            {
                await _signal.WaitAsync(either.Token);
            }
            catch (OperationCanceledException) when (!stop.IsCancellationRequested)
            {
                // It is due.
            }
        }
    }

    /// <summary>Tries each wish that is due once; says how long to pause.</summary>
    private async Task<TimeSpan> WriteDueAsync(CancellationToken stop)
    {
        _written.Forget();
        foreach (RuleKey key in Due())
        {
            if (Take(key) is not { } wish)
            {
                continue;
            }

            if (_troubles.Left(key) is { } left && left > TimeSpan.Zero)
            {
                PutBack(key, wish.After(left, time));
                continue;
            }

            ApiFailure? failure = await WriteAsync(key, wish, stop);
            if (failure is null)
            {
                continue;
            }

            if (failure.IsAboutTheServer)
            {
                PutBack(key, wish);
                return PauseAfter(key, failure);
            }

            (TimeSpan pause, bool isNew) = _troubles.Count(key, wish, failure);
            if (isNew)
            {
                LogTrouble(key, failure.Message);
            }

            PutBack(key, wish.After(pause, time) with { Said = failure.Code, Failures = wish.Failures + 1 });
        }

        return Interval;
    }

    private TimeSpan PauseAfter(RuleKey key, ApiFailure failure)
    {
        if (_trouble != failure.Message)
        {
            _trouble = failure.Message;
            LogTrouble(key, failure.Message);
        }

        TimeSpan pause = _backoff.Next();
        return failure.RetryAfter is { } asked && asked > pause ? asked : pause;
    }

    private async Task<ApiFailure?> WriteAsync(RuleKey key, StatusWish wish, CancellationToken stop)
    {
        RuleKind kind = RuleKinds.All.First(k => k.Kind == key.Kind);
        JsonObject obj = wish.Object;
        string path = $"/apis/{(string?)obj["apiVersion"]}/namespaces/{key.Namespace}/{kind.Plural}/{key.Name}";
        string? uid = (string?)obj["metadata"]?["uid"];
        ApiFailure? failure = null;
        for (int i = 0; i < Attempts; i++)
        {
            if (!isLeader() || StatusPatch.Of(obj, wish.Status) is not { } patch)
            {
                return null;
            }

            string words = StatusPatch.WordsOf(patch, wish.Status);
            if (_written.Left(key, words) is { } left)
            {
                PutBack(key, wish.After(left, time) with { Object = obj, IsHeld = true });
                return null;
            }

            using ApiAnswer answer = await client.SendAsync(
                HttpMethod.Patch, $"{path}/status?fieldManager={FieldManager}", patch, KubernetesClient.MergePatch, stop);
            failure = answer.Failure;
            if (failure is null)
            {
                TakeWritten(key, words);
                return null;
            }

            if (failure.Kind is not (FailureKind.Conflict or FailureKind.NotFound))
            {
                return failure;
            }

            using ApiAnswer now = await client.GetAsync(path, stop);
            if (now.Failure is not null || now.Object.Find("metadata")?.Text("uid") != uid)
            {
                return now.Failure is { Kind: not FailureKind.NotFound } ? now.Failure : null; // gone meanwhile
            }

            if (failure.Kind == FailureKind.NotFound)
            {
                return failure with { Message = $"the rule is there, but its status is not ({failure.Message}); install a CustomResourceDefinition with the subresource status" };
            }

            obj = (JsonObject)JsonNode.Parse(now.Object.GetRawText())!;
        }

        return failure;
    }

    private void TakeWritten(RuleKey key, string words)
    {
        Interlocked.Increment(ref _writes);
        _backoff.Reset();
        _trouble = "";
        _troubles.Mend(key);
        if (_written.Add(key, words) > 0 && !_isContestedSaid)
        {
            _isContestedSaid = true;
            LogContested(key);
        }
    }

    /// <summary>What is due, the longest due first.</summary>
    private RuleKey[] Due()
    {
        lock (_gate)
        {
            return [.. _pending.Where(p => p.Value.Left(time) <= TimeSpan.Zero).OrderBy(static p => p.Value.NotBefore).Select(static p => p.Key)];
        }
    }

    private StatusWish? Take(RuleKey key)
    {
        lock (_gate)
        {
            return _pending.Remove(key, out StatusWish? wish) ? wish : null;
        }
    }

    private void PutBack(RuleKey key, StatusWish wish)
    {
        lock (_gate)
        {
            _pending[key] = _pending.TryGetValue(key, out StatusWish? newer) ? wish.Replaced(newer.Object, newer.Status) : wish; // what came meanwhile is newer
        }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "The status of {Rule} cannot be written: {Problem}")]
    private partial void LogTrouble(RuleKey rule, string problem);

    [LoggerMessage(Level = LogLevel.Warning, Message =
        "The status of {Rule} was changed by somebody else and is written again, this and others ever more rarely; if another control plane runs in this cluster, give both the same --lease-namespace")]
    private partial void LogContested(RuleKey rule);

    [LoggerMessage(Level = LogLevel.Error, Message = "Unexpected: a status could not be written")]
    private partial void LogUnexpected(Exception error);
}
