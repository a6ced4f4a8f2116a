using System.Collections.Immutable;
using System.Text.Json;
using System.Text.Json.Nodes;
using Mesh.ControlPlane.Kubernetes;
using Mesh.ControlPlane.Push;
using Mesh.Injection;
using Microsoft.Extensions.Logging;

namespace Mesh.ControlPlane.Certificates;

/// <summary>
/// Keeps the roots that sidecars trust in a ConfigMap of each namespace, because a pod mounts only what lies in its own. The leader writes, and only what is not right; what
/// is deleted or edited is put back. Each namespace waits for itself after a write, so neither one that refuses nor somebody who insists on another text keeps the
/// others waiting. Needs list and watch of namespaces; list, watch and update of ConfigMaps of this name; create of ConfigMaps. Run once.
/// </summary>
internal sealed partial class RootConfigMaps
{
    /// <summary>Name of the ConfigMaps.</summary>
    public const string Name = InjectionSettings.RootConfigMap;

    /// <summary>The key under which the PEM text stands.</summary>
    public const string Key = "root-cert.pem";

    /// <summary>Whose ConfigMaps they are, by the label <c>app.kubernetes.io/managed-by</c>.</summary>
    public const string Manager = "mesh-control-plane";

    // Never in these: nothing is injected there, and they are Kubernetes' own.
    private static readonly ImmutableArray<string> Forbidden = ["kube-system", "kube-public", "kube-node-lease"];

    private const int AtOnce = 8;
    private static readonly TimeSpan Look = TimeSpan.FromMinutes(1); // the text may come from a file
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    private readonly KubernetesClient _client;
    private readonly Func<bool> _isLeader;
    private readonly Func<string?> _bundle;
    private readonly ImmutableHashSet<string> _ignored;
    private readonly TimeProvider _time;
    private readonly Random _random;
    private readonly ILogger _logger;
    private readonly ResourceTable<string> _namespaces;
    private readonly ResourceTable<string> _maps;
    private readonly Dictionary<string, Attempt> _attempts = new(StringComparer.Ordinal); // used by the loop only
    private readonly ChangeSignal _signal = new();
    private string _trouble = "";
    private long _writes;

    /// <summary>Nothing is asked yet.</summary>
    /// <param name="client">The cluster.</param>
    /// <param name="isLeader">Whether we write.</param>
    /// <param name="bundle">The PEM text; null as long as there is none.</param>
    /// <param name="ignored">Namespaces that are left alone.</param>
    /// <param name="runtime">Clock, chance and log.</param>
    public RootConfigMaps(
        KubernetesClient client, Func<bool> isLeader, Func<string?> bundle, IEnumerable<string> ignored, (TimeProvider Time, Random Random, ILogger Logger) runtime)
    {
        (_client, _isLeader, _bundle) = (client, isLeader, bundle);
        (_time, _random, _logger) = runtime;
        _ignored = Forbidden.Union(ignored, StringComparer.Ordinal).ToImmutableHashSet(StringComparer.Ordinal);
        _namespaces = new ResourceTable<string>(static obj => IsActive(obj) ? "" : null, _ => _signal.Set());
        _maps = new ResourceTable<string>(static obj => (obj.Find("data") ?? default).Text(Key), _ => _signal.Set());
        Loops =
        [
            new WatchLoop(client, ResourceType.Namespaces, _namespaces, runtime),
            new WatchLoop(client, ResourceType.ConfigMapsNamed(Name), _maps, runtime),
        ];
    }

    /// <summary>The watches; sidecars are served without them.</summary>
    public ImmutableArray<WatchLoop> Loops { get; }

    /// <summary>Namespaces whose ConfigMap is not there or not right; all of them while nothing is known that could be written into it.</summary>
    public int Missing => FirstLists.IsCompleted ? Wrong(_bundle()).Count() : 0;

    /// <summary>ConfigMaps written so far.</summary>
    public long Writes => Interlocked.Read(ref _writes);

    private Task FirstLists => Task.WhenAll(Loops.Select(static loop => loop.FirstList));

    /// <summary>The text is another, or we may write now; any thread.</summary>
    public void Wake() => _signal.Set();

    /// <summary>Keeps them right until <paramref name="stop"/>.</summary>
    public Task RunAsync(CancellationToken stop) => Task.WhenAll([.. Loops.Select(loop => loop.RunAsync(stop)), WriteAllAsync(stop)]);

    private static bool IsActive(JsonElement obj) =>
        (obj.Find("status") ?? default).Text("phase") is "Active" or "" && (obj.Find("metadata") ?? default).Find("deletionTimestamp") is null;

    private async Task WriteAllAsync(CancellationToken stop)
    {
        await FirstLists.WaitAsync(stop).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        while (!stop.IsCancellationRequested)
        {
            try
            {
                TimeSpan pause = await WriteDueAsync(stop);
                using CancellationTokenSource due = new(pause, _time);
                using CancellationTokenSource either = CancellationTokenSource.CreateLinkedTokenSource(due.Token, stop);
                await _signal.WaitAsync(either.Token);
            }
            catch (OperationCanceledException)
            {
                // Something is due, or this process ends.
            }
#pragma warning disable CA1031 // A background loop: one namespace that trips a bug must not leave all others without the roots.
            catch (Exception error)
#pragma warning restore CA1031
            {
                LogUnexpected(error);
                await Task.Delay(Look, _time, stop).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }
    }

    /// <summary>Writes what may be written now; tells how long nothing else is due.</summary>
    private async Task<TimeSpan> WriteDueAsync(CancellationToken stop)
    {
        if (!_isLeader() || _bundle() is not { } bundle)
        {
            return Look;
        }

        string[] wrong = [.. Wrong(bundle)];
        string[] due = [.. wrong.Where(IsDue)];
        List<(string Namespace, ApiFailure Failure)> failures = [];
        await Parallel.ForEachAsync(due, new ParallelOptions { MaxDegreeOfParallelism = AtOnce, CancellationToken = stop }, async (space, end) =>
        {
            if (_isLeader() && await WriteAsync(space, bundle, end) is { } failure)
            {
                lock (failures)
                {
                    failures.Add((space, failure));
                }
            }
        });
        foreach (string space in due)
        {
            TimeSpan? asked = failures.Find(f => f.Namespace == space).Failure?.RetryAfter;
            AttemptOf(space).Tried(_time, asked);
        }

        Say(failures);
        foreach (string gone in _attempts.Keys.Where(space => !_namespaces.Items.ContainsKey(new ObjectKey("", space))).ToArray())
        {
            _attempts.Remove(gone);
        }

        if (wrong.Length == 0)
        {
            _trouble = ""; // what fails after that is news again, even in the same words
            return Look;
        }

        TimeSpan left = wrong.Min(space => AttemptOf(space).Left(_time));
        return left > TimeSpan.Zero ? left : TimeSpan.Zero; // while the others were written, its time may have come
    }

    private IEnumerable<string> Wrong(string? bundle)
    {
        ImmutableDictionary<ObjectKey, string> maps = _maps.Items;
        return _namespaces.Items.Keys.Select(static key => key.Name)
            .Where(space => !_ignored.Contains(space) && (bundle is null || maps.GetValueOrDefault(new ObjectKey(space, Name)) != bundle))
            .Order(StringComparer.Ordinal);
    }

    private bool IsDue(string space) => AttemptOf(space).Left(_time) <= TimeSpan.Zero;

    private Attempt AttemptOf(string space)
    {
        if (!_attempts.TryGetValue(space, out Attempt? attempt))
        {
            _attempts[space] = attempt = new Attempt(_random);
        }

        return attempt;
    }

    private async Task<ApiFailure?> WriteAsync(string space, string bundle, CancellationToken stop)
    {
        JsonObject map = new()
        {
            ["apiVersion"] = "v1",
            ["kind"] = "ConfigMap",
            ["metadata"] = new JsonObject
            {
                ["name"] = Name,
                ["namespace"] = space,
                ["labels"] = new JsonObject { ["app.kubernetes.io/managed-by"] = Manager, ["app.kubernetes.io/part-of"] = "mesh" },
            },
            ["data"] = new JsonObject { [Key] = bundle },
        };
        string path = $"/api/v1/namespaces/{space}/configmaps";
        bool isThere = _maps.Items.ContainsKey(new ObjectKey(space, Name));
        using CancellationTokenSource late = new(Patience, _time);
        using CancellationTokenSource either = CancellationTokenSource.CreateLinkedTokenSource(late.Token, stop);
        try
        {
            using ApiAnswer answer = await _client.SendAsync(
                isThere ? HttpMethod.Put : HttpMethod.Post, isThere ? $"{path}/{Name}" : path, map, "application/json", either.Token);
            if (answer.Failure is null)
            {
                Interlocked.Increment(ref _writes);
            }

            return answer.Failure;
        }
        catch (OperationCanceledException) when (!stop.IsCancellationRequested)
        {
            return ApiFailure.Unreachable($"no answer within {Patience.TotalSeconds:0} s");
        }
    }

    private void Say(List<(string Namespace, ApiFailure Failure)> failures)
    {
        // What was made, deleted or is being deleted at this moment says the watch in the next.
        failures.RemoveAll(static f => f.Failure.Kind is FailureKind.AlreadyExists or FailureKind.Conflict or FailureKind.NotFound);
        if (failures.Count == 0)
        {
            return;
        }

        (string space, ApiFailure failure) = failures[0];
        if (_trouble != failure.Message)
        {
            _trouble = failure.Message;
            LogFailed(Name, failures.Count, space, failure.Message);
        }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "{Map} cannot be written into {Count} namespaces; {Namespace}: {Problem}; it is tried again, and sidecars there wait for it")]
    private partial void LogFailed(string map, int count, string @namespace, string problem);

    [LoggerMessage(Level = LogLevel.Error, Message = "Unexpected: the roots could not be written")]
    private partial void LogUnexpected(Exception error);

    /// <summary>When a namespace was written to, and when it may be again: later and later while it has to be.</summary>
    private sealed class Attempt(Random random)
    {
        private static readonly TimeSpan Calm = TimeSpan.FromMinutes(2); // it was right for that long: whoever changed it does not insist

        private readonly Backoff _backoff = new(random);
        private long _at;
        private TimeSpan _pause;

        /// <summary>How long it must wait; zero or less for a namespace that may be written to.</summary>
        public TimeSpan Left(TimeProvider time) => _pause == TimeSpan.Zero ? TimeSpan.Zero : _pause - time.GetElapsedTime(_at);

        /// <summary>It was written to, or that failed.</summary>
        public void Tried(TimeProvider time, TimeSpan? asked)
        {
            if (_pause > TimeSpan.Zero && time.GetElapsedTime(_at) > Calm)
            {
                _backoff.Reset();
            }

            TimeSpan pause = _backoff.Next();
            (_at, _pause) = (time.GetTimestamp(), asked is { } least && least > pause ? least : pause);
        }
    }
}
