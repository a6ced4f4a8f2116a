using System.Collections.Immutable;
using Mesh.ControlPlane.Registry;
using Mesh.ControlPlane.Store;
using Microsoft.Extensions.Logging;

namespace Mesh.ControlPlane.Push;

/// <summary>
/// Turns changes of rules and endpoints into versions, and wakes the streams. Keeps the last versions, so that a sidecar that comes back gets
/// what it missed. <see cref="RunAsync"/> is the one writer; everything else may be called from any thread.
/// </summary>
internal sealed partial class PushHub
{
    /// <summary>Versions that are kept for sidecars that come back.</summary>
    public const int HistoryLength = 64;

    private readonly IRuleStore _store;
    private readonly EndpointRegistry _registry;
    private readonly TimeProvider _time;
    private readonly ILogger<PushHub> _logger;
    private readonly ContentBuilder _builder;
    private readonly ChangeSignal _signal = new();
    private readonly Queue<MeshContent> _order = new();
    private volatile ImmutableDictionary<string, MeshContent> _history = ImmutableDictionary<string, MeshContent>.Empty;
    private volatile Watched _watched = new(MeshContent.Empty, NewSource());
    private volatile bool _isSettled;

    /// <summary>A hub with the present content of store and registry.</summary>
    public PushHub(IRuleStore store, EndpointRegistry registry, TimeProvider time, Random random, ILogger<PushHub> logger)
    {
        const string Letters = "bcdfghjklmnpqrstvwxz";
        _store = store;
        _registry = registry;
        _time = time;
        _logger = logger;
        _builder = new ContentBuilder(random.GetString(Letters, 8));
        _isSettled = registry.IsComplete;
        registry.Changed += _signal.Set;
        Refresh();
    }

    /// <summary>Pushes that several streams need.</summary>
    public PushCache Pushes { get; } = new();

    /// <summary>The newest content.</summary>
    public MeshContent Current => _watched.Content;

    /// <summary>
    /// True once a full lease has passed since the start: every sidecar that lives has registered by then. Before, an endpoint that is not
    /// here may be one that has not come back yet, so nobody who holds endpoints may be told that they are gone. Where a cluster says who is there, at once.
    /// </summary>
    public bool IsSettled => _isSettled;

    /// <summary>
    /// The content of a version, if this process had one like it and still keeps it. What counts is the hash: a version of another replica, or of the run before this one,
    /// names the same rules and endpoints, and who holds them needs nothing but what has changed since.
    /// </summary>
    public MeshContent? Find(string version) => MeshContent.HashOf(version) is { } hash ? _history.GetValueOrDefault(hash) : null;

    /// <summary>The newest content, and a task that completes when there is a newer one or <see cref="IsSettled"/> changed.</summary>
    public (MeshContent Content, Task Changed) Watch()
    {
        Watched watched = _watched;
        return (watched.Content, watched.Next.Task);
    }

    /// <summary>Follows store and registry until <paramref name="stop"/>.</summary>
    public async Task RunAsync(CancellationToken stop) => await Task.WhenAll(FollowStoreAsync(stop), PublishAsync(stop), SettleAsync(stop));

    /// <summary>Builds the content anew and publishes it if it differs.</summary>
    internal void Refresh()
    {
        MeshContent former = Current;
        MeshContent next = _builder.Next(former, _store.Current, _registry.Current);
        if (ReferenceEquals(next, former))
        {
            return;
        }

        Keep(next);
        if (former.Version.Length > 0) // what is there at the start is news to nobody
        {
            LogPublished(next.Version, next.Rules.Count, next.Registry.Endpoints.Count);
        }

        Wake(next);
    }

    /// <summary>Ends the time of grace.</summary>
    internal void Settle()
    {
        _isSettled = true;
        _signal.Set(); // the loop wakes the streams, so that there is one writer
    }

    // A rule that is changed and changed back gives the same hash twice; the newer one stays.
    private void Keep(MeshContent content)
    {
        _order.Enqueue(content);
        ImmutableDictionary<string, MeshContent> history = _history.SetItem(MeshContent.HashOf(content.Version)!, content);
        if (_order.Count > HistoryLength && MeshContent.HashOf(_order.Dequeue().Version) is { } oldest && !_order.Any(c => MeshContent.HashOf(c.Version) == oldest))
        {
            history = history.Remove(oldest);
        }

        _history = history;
    }

    private static TaskCompletionSource NewSource() => new(TaskCreationOptions.RunContinuationsAsynchronously);

    private void Wake(MeshContent content)
    {
        TaskCompletionSource waiters = _watched.Next;
        _watched = new Watched(content, NewSource());
        waiters.SetResult();
    }

    private async Task FollowStoreAsync(CancellationToken stop)
    {
        while (!stop.IsCancellationRequested)
        {
            long revision = _store.Current.Revision;
            _signal.Set();
            await _store.WaitForChangeAsync(revision, stop).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private async Task PublishAsync(CancellationToken stop)
    {
        Debouncer debouncer = new(_signal, _time);
        bool wasSettled = _isSettled;
        while (!stop.IsCancellationRequested)
        {
            await debouncer.WaitAsync(stop).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            try
            {
                Refresh();
            }
#pragma warning disable CA1031 // A background loop: one object that trips a bug must not end pushing for the whole mesh.
            catch (Exception error)
#pragma warning restore CA1031
            {
                LogFailed(error);
            }

            if (_isSettled && !wasSettled)
            {
                wasSettled = true;
                Wake(Current);
            }
        }
    }

    private async Task SettleAsync(CancellationToken stop)
    {
        await Task.Delay(EndpointRegistry.Lease, _time, stop).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        Settle();
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "Version {Version}: {Rules} rules, {Services} services")]
    private partial void LogPublished(string version, int rules, int services);

    [LoggerMessage(Level = LogLevel.Error, Message = "Unexpected: no version could be made of the last change")]
    private partial void LogFailed(Exception error);

    private sealed record Watched(MeshContent Content, TaskCompletionSource Next);
}
