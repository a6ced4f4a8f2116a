namespace Mesh.Proxy.LoadBalancing;

/// <summary>
/// Earliest deadline first: after each turn a target's deadline moves on by 1/weight, the nearest deadline is next. By load, the weight is
/// divided by active requests + 1 at the moment of the turn (Envoy's weighted least request, bias 1). One short lock per pick.
/// </summary>
internal sealed class EdfBalancer : ILoadBalancer
{
    private const double LeastWeight = 1e-6; // a warm-up may begin at 0 percent

    private readonly ILoadTarget[] _targets;
    private readonly bool _byLoad;
    private readonly SlowStart? _slowStart;
    private readonly Lock _gate = new();
    private readonly PriorityQueue<int, (double Deadline, long Order)> _queue = new();
    private long _order;
    private double _now;

    public EdfBalancer(ILoadTarget[] targets, bool byLoad, Random random, SlowStart? slowStart = null)
    {
        _targets = targets;
        _byLoad = byLoad;
        _slowStart = slowStart;
        for (int i = 0; i < targets.Length; i++)
        {
            EnqueueLocked(i);
        }

        // A random start within the cycle: sidecars that get the same list at once must not walk it in step.
        int skip = targets.Length == 0 ? 0 : random.Next(targets.Length);
        for (int i = 0; i < skip; i++)
        {
            Pick();
        }
    }

    public int Pick(ulong hash = 0, int attempt = 0)
    {
        lock (_gate)
        {
            if (!_queue.TryDequeue(out int index, out (double Deadline, long Order) place))
            {
                return -1;
            }

            _now = place.Deadline;
            EnqueueLocked(index);
            return index;
        }
    }

    private void EnqueueLocked(int index)
    {
        ILoadTarget target = _targets[index];
        double weight = _slowStart is null ? target.Weight : Math.Max(LeastWeight, target.Weight * _slowStart.FactorOf(target));
        long active = _byLoad ? target.ActiveRequests : 0;
        _queue.Enqueue(index, (_now + ((active + 1) / weight), _order++));
    }
}
