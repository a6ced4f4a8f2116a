using System.Text.Json.Nodes;
using Microsoft.Extensions.Logging;

namespace Mesh.ControlPlane.Kubernetes;

/// <summary>
/// Decides by a Lease which replica writes, as client-go does it: a holder renews every two seconds and steps back when it could not for ten; the others take over when
/// the lease has not changed for its duration, by their own clock since they saw the change, never by the times written in it. Safe against clocks
/// that differ and against a process that stood still: <see cref="IsLeader"/> looks at the clock each time.
/// </summary>
/// <param name="client">The server.</param>
/// <param name="lease">Namespace and name of the lease.</param>
/// <param name="identity">Who we are; unique for each start.</param>
/// <param name="runtime">Clock, chance and log.</param>
internal sealed partial class LeaderElector(
    KubernetesClient client, ObjectKey lease, string identity, (TimeProvider Time, Random Random, ILogger Logger) runtime)
{
    /// <summary>How long others leave it to a holder who is silent.</summary>
    public static readonly TimeSpan LeaseDuration = TimeSpan.FromSeconds(15);

    /// <summary>How long a holder that cannot renew still leads.</summary>
    public static readonly TimeSpan RenewDeadline = TimeSpan.FromSeconds(10);

    /// <summary>Pause between two tries.</summary>
    public static readonly TimeSpan RetryPeriod = TimeSpan.FromSeconds(2);

    private readonly TimeProvider _time = runtime.Time;
    private readonly ILogger _logger = runtime.Logger;
    private readonly string _collection = $"/apis/coordination.k8s.io/v1/namespaces/{lease.Namespace}/leases";
    private volatile Lease? _observed;
    private long _observedAt;
    private long _renewedAt;
    private volatile bool _isHolder;
    private string _trouble = "";

    /// <summary>Raised after we began or ceased to lead.</summary>
    public event Action? Changed;

    /// <summary>Whether we may write now. Thread-safe.</summary>
    public bool IsLeader => _isHolder && _time.GetElapsedTime(Volatile.Read(ref _renewedAt)) < RenewDeadline;

    /// <summary>Where other replicas reach us, <c>IP:PORT</c>, for the lease; null for nowhere. Set before the first try.</summary>
    public string? Address { get; set; }

    /// <summary>Where the replica is that holds the lease; null when that is us, or nobody, or it does not say. Thread-safe.</summary>
    public string? LeaderAddress => _observed is { Holder.Length: > 0 } held && held.Holder != identity ? held.Address : null;

    private string Path => $"{_collection}/{lease.Name}";

    /// <summary>Takes part in the election until <paramref name="stop"/>, then steps down.</summary>
    public async Task RunAsync(CancellationToken stop)
    {
        while (!stop.IsCancellationRequested)
        {
            try
            {
                await TryAsync(stop);
                // The others come at times of their own, so that they do not all ask at once when a holder is gone.
                TimeSpan pause = _isHolder ? RetryPeriod : RetryPeriod + (RetryPeriod * 1.2 * runtime.Random.NextDouble());
                await Task.Delay(pause, _time, stop);
            }
            catch (OperationCanceledException) when (stop.IsCancellationRequested)
            {
                break;
            }
#pragma warning disable CA1031 // A background loop: whoever cannot take part in the election for a moment must not be out for ever.
            catch (Exception error)
#pragma warning restore CA1031
            {
                LogUnexpected(error);
                await Task.Delay(RetryPeriod, _time, stop).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }

        await StepDownAsync();
    }

    private async Task TryAsync(CancellationToken stop)
    {
        using CancellationTokenSource late = new(RenewDeadline / 2, _time); // a slow answer must leave time for a second try
        using CancellationTokenSource either = CancellationTokenSource.CreateLinkedTokenSource(late.Token, stop);
        try
        {
            if (IsLeader && await PutAsync(_observed!, either.Token))
            {
                return;
            }

            await AskAsync(either.Token);
        }
        catch (OperationCanceledException) when (!stop.IsCancellationRequested)
        {
            Report("the API server is too slow");
        }

        if (_isHolder && !IsLeader)
        {
            Set(false);
        }
    }

    private async Task AskAsync(CancellationToken stop)
    {
        using ApiAnswer answer = await client.GetAsync(Path, stop);
        if (answer.Failure is { Kind: FailureKind.NotFound })
        {
            await WriteAsync(HttpMethod.Post, _collection, Lease.New(lease.Name, lease.Namespace), stop);
            return;
        }

        if (answer.Failure is { } failure)
        {
            Report(failure.Message);
            return;
        }

        Lease found = Lease.From(answer.Object);
        if (found.Version != _observed?.Version)
        {
            Observe(found);
        }

        bool isTaken = found.Holder.Length > 0 && found.Holder != identity;
        if (isTaken)
        {
            Set(false); // whatever we believed: the lease says who it is
        }

        if (!isTaken || _time.GetElapsedTime(_observedAt) >= found.Duration)
        {
            await PutAsync(found, stop);
        }
    }

    private Task<bool> PutAsync(Lease current, CancellationToken stop) => WriteAsync(HttpMethod.Put, Path, current, stop);

    private async Task<bool> WriteAsync(HttpMethod method, string path, Lease current, CancellationToken stop)
    {
        long before = _time.GetTimestamp(); // the lease may have been renewed at any time since, so the earliest counts
        JsonObject held = current.HeldBy(identity, LeaseDuration, _time.GetUtcNow(), Address);
        using ApiAnswer answer = await client.SendAsync(method, path, held, "application/json", stop);
        if (answer.Failure is { } failure)
        {
            if (failure.Kind is not (FailureKind.Conflict or FailureKind.AlreadyExists))
            {
                Report(failure.Message);
            }

            return false;
        }

        bool hasPaused = _isHolder && !IsLeader; // renewed late: what was to be written meanwhile was left undone
        Observe(Lease.From(answer.Object));
        Volatile.Write(ref _renewedAt, before);
        _trouble = "";
        Set(true);
        if (hasPaused)
        {
            Changed?.Invoke();
        }

        return true;
    }

    private async Task StepDownAsync()
    {
        if (!IsLeader)
        {
            return;
        }

        using CancellationTokenSource late = new(RetryPeriod, _time);
        try
        {
            using ApiAnswer answer = await client.SendAsync(HttpMethod.Put, Path, _observed!.Released(_time.GetUtcNow()), "application/json", late.Token);
        }
        catch (OperationCanceledException)
        {
            // The others will notice by the silence.
        }

        Set(false);
    }

    private void Observe(Lease found) => (_observed, _observedAt) = (found, _time.GetTimestamp());

    private void Set(bool isHolder)
    {
        if (_isHolder == isHolder)
        {
            return;
        }

        _isHolder = isHolder;
        LogLeads(identity, isHolder ? "leads: it writes statuses" : "no longer leads");
        Changed?.Invoke();
    }

    private void Report(string problem)
    {
        if (_trouble != problem)
        {
            _trouble = problem;
            LogTrouble(lease, problem);
        }
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "{Identity} {What}")]
    private partial void LogLeads(string identity, string what);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Lease {Lease}: {Problem}; nobody is elected through us until that is over")]
    private partial void LogTrouble(ObjectKey lease, string problem);

    [LoggerMessage(Level = LogLevel.Error, Message = "Unexpected: the election goes on after a pause")]
    private partial void LogUnexpected(Exception error);
}
