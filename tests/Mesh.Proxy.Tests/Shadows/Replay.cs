using System.IO.Pipelines;
using Mesh.Proxy.Tests.Upstream;
using Mesh.Proxy.Upstream;
using Mesh.Testing;

namespace Mesh.Proxy.Tests.Shadows;

/// <summary>A call of a history.</summary>
/// <param name="ArrivesAt">When it comes, in ticks.</param>
/// <param name="Service">How long it holds its connection.</param>
/// <param name="IsReusable">Whether its connection can carry another.</param>
internal sealed record HistoryCall(long ArrivesAt, long Service, bool IsReusable);

/// <summary>Plays a history of calls against a cluster: each holds its connection for its own time, whenever it gets one, and connecting takes the same time each time.</summary>
internal sealed class Replay(UpstreamHarness harness, long connectTicks)
{
    private readonly PriorityQueue<Action, (long At, long Order)> _due = new();
    private int _connectsSeen;
    private long _order;

    /// <summary>Calls that were refused.</summary>
    public int Refused { get; private set; }

    /// <summary>A history by chance: calls that come on their own, at <paramref name="rate"/> a second.</summary>
    public static List<HistoryCall> Random(int seed, int calls, double rate, double serviceSeconds, double notReusable = 0.1)
    {
        Random dice = new(seed);
        List<HistoryCall> history = [];
        long now = 0;
        for (int i = 0; i < calls; i++)
        {
            now += 1 + Exponential(dice, 1 / rate);
            history.Add(new HistoryCall(now, 1 + Exponential(dice, serviceSeconds), dice.NextDouble() >= notReusable));
        }

        return history;
    }

    /// <summary>Plays it to its end.</summary>
    public void Run(IEnumerable<HistoryCall> history, bool isTcp = false)
    {
        foreach (HistoryCall call in history)
        {
            At(call.ArrivesAt, () => Arrive(call, isTcp));
        }

        while (_due.TryDequeue(out Action? next, out (long At, long Order) due))
        {
            harness.Time.Advance(TimeSpan.FromTicks(due.At - harness.Time.GetTimestamp()));
            next();
            foreach (FakeConnect connect in harness.Connector.Started.Skip(_connectsSeen))
            {
                _connectsSeen++;
                At(due.At + connectTicks, () => Succeed(connect));
            }
        }
    }

    private static long Exponential(Random dice, double meanSeconds) => (long)(-Math.Log(1 - dice.NextDouble()) * meanSeconds * TimeSpan.TicksPerSecond);

    private static void Succeed(FakeConnect connect)
    {
        if (!connect.IsOver)
        {
            connect.Succeed();
        }
    }

    private void At(long ticks, Action action) => _due.Enqueue(action, (ticks, _order++));

    // Inline, as on an event loop: a call has its connection when the step that gave it one is over.
    private void Arrive(HistoryCall call, bool isTcp)
    {
        Task<RentResult> rent = isTcp
            ? harness.Cluster.RentTcpAsync(default, PipeScheduler.Inline).AsTask() : harness.Cluster.RentHttpAsync(default, PipeScheduler.Inline).AsTask();
        _ = rent.ContinueWith(r => Attached(call, r.Result), CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
    }

    private void Attached(HistoryCall call, RentResult rent)
    {
        if (rent.Connection is not { } connection)
        {
            Refused++;
            return;
        }

        At(harness.Time.GetTimestamp() + call.Service, () => connection.Release(call.IsReusable));
    }
}
