using System.Text.Json.Nodes;
using Mesh.ControlPlane.Push;
using Mesh.Rules.Kinds;
using Mesh.Rules.Reading;
using Microsoft.Extensions.Logging;

namespace Mesh.ControlPlane.Kubernetes;

/// <summary>
/// Writes statuses to the API server: only while we lead, only what differs, each rule at most once a second however many sidecars answer, and the same text not
/// twice within a minute, so that another writer who insists is not fought. <see cref="Offer"/> may be called by anybody, <see cref="RunAsync"/> runs once.
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
    private static readonly TimeSpan SameAgain = TimeSpan.FromMinutes(1);

    private readonly Lock _gate = new();
    private readonly Dictionary<RuleKey, (JsonObject Object, JsonObject Status)> _pending = [];
    private readonly Dictionary<RuleKey, (string Text, long At)> _written = []; // used by the loop only
    private readonly ChangeSignal _signal = new();
    private readonly Backoff _backoff = new(random);
    private string _trouble = "";
    private long _writes;

    /// <summary>Statuses written so far.</summary>
    public long Writes => Interlocked.Read(ref _writes);

    /// <summary>The status that a rule shall have, and the object as it was last seen.</summary>
    public void Offer(RuleKey key, JsonObject obj, JsonObject status)
    {
        if (!isLeader())
        {
            return; // whoever leads next works all of them out anew
        }

        lock (_gate)
        {
            if (StatusPatch.Of(obj, status) is null)
            {
                _pending.Remove(key);
                return;
            }

            _pending[key] = (obj, status);
        }

        _signal.Set();
    }

    /// <summary>Writes until <paramref name="stop"/>.</summary>
    public async Task RunAsync(CancellationToken stop)
    {
        while (!stop.IsCancellationRequested)
        {
            try
            {
                await _signal.WaitAsync(stop);
                await Task.Delay(await WritePendingAsync(stop), time, stop);
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

    private async Task<TimeSpan> WritePendingAsync(CancellationToken stop)
    {
        Forget();
        while (Take() is { } next)
        {
            ApiFailure? failure = await WriteAsync(next.Key, next.Object, next.Status, stop);
            if (failure is null)
            {
                _backoff.Reset();
                _trouble = "";
                continue;
            }

            if (_trouble != failure.Message)
            {
                _trouble = failure.Message;
                LogTrouble(next.Key, failure.Message);
            }

            if (failure.Kind is FailureKind.Unreachable or FailureKind.Server or FailureKind.TooManyRequests or FailureKind.Unauthorized or FailureKind.Conflict)
            {
                PutBack(next);
                TimeSpan pause = _backoff.Next();
                return failure.RetryAfter is { } asked && asked > pause ? asked : pause;
            }
        }

        return Interval;
    }

    private async Task<ApiFailure?> WriteAsync(RuleKey key, JsonObject obj, JsonObject status, CancellationToken stop)
    {
        RuleKind kind = RuleKinds.All.First(k => k.Kind == key.Kind);
        string path = $"/apis/{(string?)obj["apiVersion"]}/namespaces/{key.Namespace}/{kind.Plural}/{key.Name}";
        string? uid = (string?)obj["metadata"]?["uid"];
        ApiFailure? failure = null;
        for (int i = 0; i < Attempts; i++)
        {
            if (StatusPatch.Of(obj, status) is not { } patch || !isLeader())
            {
                return null;
            }

            string text = patch["status"]!.ToJsonString();
            if (_written.TryGetValue(key, out var last) && last.Text == text)
            {
                return null;
            }

            using ApiAnswer answer = await client.SendAsync(
                HttpMethod.Patch, $"{path}/status?fieldManager={FieldManager}", patch, KubernetesClient.MergePatch, stop);
            failure = answer.Failure;
            if (failure is null)
            {
                _written[key] = (text, time.GetTimestamp());
                Interlocked.Increment(ref _writes);
                return null;
            }

            if (failure.Kind != FailureKind.Conflict)
            {
                return failure.Kind == FailureKind.NotFound ? null : failure; // gone meanwhile
            }

            using ApiAnswer now = await client.GetAsync(path, stop);
            if (now.Failure is not null || now.Object.Find("metadata")?.Text("uid") != uid)
            {
                return now.Failure is { Kind: not FailureKind.NotFound } ? now.Failure : null;
            }

            obj = (JsonObject)JsonNode.Parse(now.Object.GetRawText())!;
        }

        return failure;
    }

    private (RuleKey Key, JsonObject Object, JsonObject Status)? Take()
    {
        lock (_gate)
        {
            foreach ((RuleKey key, (JsonObject obj, JsonObject status)) in _pending)
            {
                _pending.Remove(key);
                return (key, obj, status);
            }

            return null;
        }
    }

    private void PutBack((RuleKey Key, JsonObject Object, JsonObject Status) item)
    {
        lock (_gate)
        {
            _pending.TryAdd(item.Key, (item.Object, item.Status)); // unless something newer came
        }

        _signal.Set();
    }

    private void Forget()
    {
        foreach (RuleKey key in _written.Where(w => time.GetElapsedTime(w.Value.At) >= SameAgain).Select(static w => w.Key).ToArray())
        {
            _written.Remove(key);
        }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "The status of {Rule} cannot be written: {Problem}")]
    private partial void LogTrouble(RuleKey rule, string problem);

    [LoggerMessage(Level = LogLevel.Error, Message = "Unexpected: a status could not be written")]
    private partial void LogUnexpected(Exception error);
}
