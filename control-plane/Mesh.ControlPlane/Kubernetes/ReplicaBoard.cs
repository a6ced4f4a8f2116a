using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using Mesh.ControlPlane.Status;
using Microsoft.Extensions.Logging;

namespace Mesh.ControlPlane.Kubernetes;

/// <summary>
/// The replicas' words as annotations of one Lease: each patches its own and nobody else's, so that writers never meet; the leader reads them all and takes away
/// those of the dead. Who lives is judged by our clock since we saw its words change, as in an election. <see cref="RunAsync"/> runs once.
/// </summary>
/// <param name="client">The server.</param>
/// <param name="lease">Namespace and name of the lease that holds them.</param>
/// <param name="identity">Who we are; unique for each start.</param>
/// <param name="isLeader">Whether we read.</param>
/// <param name="runtime">Clock, chance and log.</param>
internal sealed partial class ReplicaBoard(
    KubernetesClient client, ObjectKey lease, string identity, Func<bool> isLeader, (TimeProvider Time, Random Random, ILogger Logger) runtime) : IReplicaBoard
{
    /// <summary>Pause between two looks, and so the shortest between two writes.</summary>
    public static readonly TimeSpan Interval = TimeSpan.FromSeconds(1);

    /// <summary>Time after which it is said again though nothing changed: the sign of life.</summary>
    public static readonly TimeSpan SayAgain = TimeSpan.FromSeconds(5);

    /// <summary>Silence after which a replica's sidecars are no longer counted: they will have come to another one.</summary>
    public static readonly TimeSpan Patience = 3 * SayAgain;

    /// <summary>What the annotations' names begin with.</summary>
    public const string Prefix = "replica.mesh.dev/";

    private const int LongestName = 63; // of an annotation, behind the slash

    private readonly TimeProvider _time = runtime.Time;
    private readonly ILogger _logger = runtime.Logger;
    private readonly Backoff _backoff = new(runtime.Random);
    private readonly string _collection = $"/apis/coordination.k8s.io/v1/namespaces/{lease.Namespace}/leases";
    private readonly string _own = Prefix + (identity.Length <= LongestName ? identity : identity[^LongestName..].TrimStart('-', '.', '_'));
    private readonly Dictionary<string, (string Value, long ChangedAt)> _seen = []; // used by the loop only, as all below
    private volatile IReadOnlyList<string> _others = [];
    private volatile string _text = "";
    private string _said = "";
    private long _saidAt;
    private long _number;
    private string _trouble = "";

    /// <inheritdoc/>
    public event Action? Changed;

    /// <inheritdoc/>
    public IReadOnlyList<string> Others => _others;

    private string Path => $"{_collection}/{lease.Name}";

    /// <inheritdoc/>
    public void Say(string text) => _text = text;

    /// <summary>Speaks and reads until <paramref name="stop"/>, then takes its words back.</summary>
    public async Task RunAsync(CancellationToken stop)
    {
        while (!stop.IsCancellationRequested)
        {
            TimeSpan pause = Backoff.Longest;
            try
            {
                pause = PauseAfter(await LookAsync(stop));
            }
            catch (OperationCanceledException) when (stop.IsCancellationRequested)
            {
                break;
            }
#pragma warning disable CA1031 // A background loop: whoever cannot be counted for a moment must not be so for ever.
            catch (Exception error)
#pragma warning restore CA1031
            {
                LogUnexpected(error);
            }

            await Task.Delay(pause, _time, stop).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        await LeaveAsync();
    }

    private async Task<ApiFailure?> LookAsync(CancellationToken stop)
    {
        string text = _text;
        bool isDue = text.Length > 0 && (text != _said || _time.GetElapsedTime(_saidAt) >= SayAgain);
        if (!isDue && !isLeader())
        {
            return null;
        }

        using ApiAnswer answer = isDue ? await SayAsync(text, stop) : await client.GetAsync(Path, stop);
        if (answer.Failure is { } failure)
        {
            return failure.Kind == FailureKind.NotFound && !isDue ? null : failure; // nobody has said anything yet
        }

        if (isDue)
        {
            (_said, _saidAt) = (text, _time.GetTimestamp());
        }

        string[] dead = Take(answer.Object);
        return dead.Length > 0 && isLeader() ? await RemoveAsync(dead, stop) : null;
    }

    /// <summary>Says it; the answer is the whole board.</summary>
    private async Task<ApiAnswer> SayAsync(string text, CancellationToken stop)
    {
        string value = string.Create(CultureInfo.InvariantCulture, $"{++_number} {text}"); // another value each time, or nobody would see that we live
        JsonObject annotations = new() { [_own] = value };
        ApiAnswer answer = await PatchAsync(annotations, stop);
        if (answer.Failure?.Kind != FailureKind.NotFound)
        {
            return answer;
        }

        JsonObject board = Lease.New(lease.Name, lease.Namespace).Object;
        board["metadata"]!["annotations"] = annotations.DeepClone();
        answer = await client.SendAsync(HttpMethod.Post, _collection, board, "application/json", stop);
        return answer.Failure?.Kind == FailureKind.AlreadyExists ? await PatchAsync(annotations, stop) : answer;
    }

    private Task<ApiAnswer> PatchAsync(JsonObject annotations, CancellationToken stop) => client.SendAsync(
        HttpMethod.Patch, $"{Path}?fieldManager={StatusQueue.FieldManager}",
        new JsonObject { ["metadata"] = new JsonObject { ["annotations"] = annotations.DeepClone() } }, KubernetesClient.MergePatch, stop);

    private async Task<ApiFailure?> RemoveAsync(IEnumerable<string> names, CancellationToken stop)
    {
        JsonObject none = new(names.Select(static name => KeyValuePair.Create(name, (JsonNode?)null)));
        using ApiAnswer answer = await PatchAsync(none, stop);
        return answer.Failure;
    }

    /// <summary>Takes what all others say; returns the names of those who are dead.</summary>
    private string[] Take(JsonElement board)
    {
        long now = _time.GetTimestamp();
        Dictionary<string, string> found = (board.Find("metadata") ?? default).Texts("annotations")
            .Where(a => a.Key.StartsWith(Prefix, StringComparison.Ordinal) && a.Key != _own).ToDictionary(StringComparer.Ordinal);
        foreach (string gone in _seen.Keys.Where(name => !found.ContainsKey(name)).ToArray())
        {
            _seen.Remove(gone);
        }

        foreach ((string name, string value) in found)
        {
            if (!_seen.TryGetValue(name, out var seen) || seen.Value != value)
            {
                _seen[name] = (value, now);
            }
        }

        ILookup<bool, string> alive = _seen.OrderBy(static s => s.Key, StringComparer.Ordinal)
            .ToLookup(s => _time.GetElapsedTime(s.Value.ChangedAt, now) < Patience, static s => s.Key);
        string[] others = [.. alive[true].Select(name => _seen[name].Value).Select(static v => v[(v.IndexOf(' ', StringComparison.Ordinal) + 1)..])];
        if (!others.SequenceEqual(_others))
        {
            _others = others;
            Changed?.Invoke();
        }

        return [.. alive[false]];
    }

    private TimeSpan PauseAfter(ApiFailure? failure)
    {
        if (failure is null)
        {
            _backoff.Reset();
            _trouble = "";
            return Interval;
        }

        if (_trouble != failure.Message)
        {
            _trouble = failure.Message;
            LogTrouble(lease, failure.Message);
        }

        TimeSpan pause = failure.Kind == FailureKind.Forbidden ? Backoff.Longest : _backoff.Next();
        return failure.RetryAfter is { } asked && asked > pause ? asked : pause;
    }

    private async Task LeaveAsync()
    {
        if (_number == 0)
        {
            return;
        }

        using CancellationTokenSource late = new(LeaderElector.RetryPeriod, _time);
        try
        {
            await RemoveAsync([_own], late.Token);
        }
        catch (OperationCanceledException)
        {
            // The leader will notice by the silence.
        }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "Lease {Lease}: {Problem}; statuses count only the sidecars of the replica that writes them until that is over")]
    private partial void LogTrouble(ObjectKey lease, string problem);

    [LoggerMessage(Level = LogLevel.Error, Message = "Unexpected: the replicas' words are looked at again after a pause")]
    private partial void LogUnexpected(Exception error);
}
