using System.IO.Pipelines;
using Mesh.Proxy.Concurrency;
using Mesh.Proxy.Http;
using Mesh.Proxy.Infrastructure;
using Mesh.Proxy.Telemetry;
using Mesh.Proxy.Upstream;
using Mesh.Rules.Snapshots;

namespace Mesh.Proxy.Tcp;

// The bulkhead's part in a connection of bytes (adr/0049): one place, from before it asks for an upstream until both sides have ended. A cluster without one passes by with a
// check for null, and so does a port of HTTP: its places are for calls, and one who keeps a connection open all day makes none.
internal sealed partial class TcpProxy
{
    private Bulkhead? _bulkhead; // while this connection holds a place of it
    private volatile WaitingPlace? _inLine; // made when it may wait; read by a drain

    /// <summary>The connection is asked to end: one that waits for a place is closed now, a relay goes on. Any thread.</summary>
    public void OnStopping() => _inLine?.Pause.End();

    /// <summary>Takes a place, or waits for one if the rule lets it. False when there is none, and the record says why.</summary>
    private ValueTask<bool> EntersAsync(Cluster cluster)
    {
        if (cluster.Bulkhead is not { } bulkhead || cluster.Config.Protocol != ClusterProtocol.Tcp)
        {
            return new(true);
        }

        if (!bulkhead.TryEnter())
        {
            return JoinAsync(cluster, bulkhead);
        }

        _bulkhead = bulkhead;
        return new(true);
    }

    private ValueTask<bool> JoinAsync(Cluster cluster, Bulkhead bulkhead)
    {
        cluster.RelieveConcurrency(bulkhead);
        WaitingPlace? place = bulkhead.LetsWait && !context.Drains(side) ? _inLine = new WaitingPlace(context.Runtime.Time) : null;
        BulkheadVerdict verdict = bulkhead.Join(place);
        switch (verdict.Answer)
        {
            case BulkheadAnswer.Enters:
                _bulkhead = bulkhead;
                return new(true);
            case BulkheadAnswer.Waits:
                cluster.Stats.Concurrency!.Waited.Add();
                return WaitInLineAsync(cluster, bulkhead, place!);
            default:
                ProxyError error = ProxyErrors.ConcurrencyOverflow(verdict, bulkhead.Config.Source, isDrain: false);
                if (!bulkhead.Config.IsShadow)
                {
                    return new(RefuseForPlace(cluster, error));
                }

                cluster.Stats.Concurrency!.ShadowRejected.Add();
                Remark(error.Decision with { Verdict = DecisionVerdict.Shadow }, cluster);
                return new(true);
        }
    }

    private async ValueTask<bool> WaitInLineAsync(Cluster cluster, Bulkhead bulkhead, WaitingPlace place)
    {
        long since = context.Now;
        TimeSpan longest = bulkhead.Config.MaxWait;
        TimeSpan waited = TimeSpan.Zero;
        PipeScheduler? loop = down.Features.Get<ILoopFeature>()?.Loop;
        while (waited < longest && !place.IsCalled && !HasLeft() && !context.Drains(side))
        {
            // One that has sent and ended its side waits on: it may well want the answer. Its end was told once, and is not to be told again.
            CancellationToken end = down.ConnectionClosed.IsCancellationRequested ? default : down.ConnectionClosed;
            ValueTask wait = bulkhead.WaitAsync(place, longest - waited, loop, end);
            if (context.Drains(side))
            {
                place.Pause.End(); // it may have begun before there was a wait to end
            }

            await wait;
            waited = context.Since(since);
        }

        bool hasPlace = bulkhead.EndWait(place);
        _bulkhead = hasPlace ? bulkhead : null;
        if (hasPlace && !HasLeft())
        {
            Remark(new DecisionRecord(DecisionReason.ConcurrencyOverflow, bulkhead.Config.Source, bulkhead.Config.LimitField, bulkhead.Limit) { Verdict = DecisionVerdict.Waited }, cluster);
            return true;
        }

        LeavePlace(); // of one who left as its turn came
        if (hasPlace || HasLeft())
        {
            (_record.Flag, _record.Details) = (ResponseFlag.DC, "downstream_remote_disconnect");
            return false;
        }

        BulkheadVerdict verdict = new(BulkheadAnswer.Refused, ConcurrencyConfig.MaxWaitField, (long)longest.TotalMilliseconds, (long)waited.TotalMilliseconds);
        return RefuseForPlace(cluster, ProxyErrors.ConcurrencyOverflow(verdict, bulkhead.Config.Source, context.Drains(side)));
    }

    private bool RefuseForPlace(Cluster cluster, in ProxyError error)
    {
        cluster.Stats.Concurrency!.Rejected.Add();
        _record.Destination = cluster.Labels;
        (_record.Flag, _record.Details, _record.Decision) = (error.Flag, error.Details, error.Decision);
        return false;
    }

    /// <summary>The client has ended without having said anything, or was reset: nothing of it is left to be done. Only while nobody reads.</summary>
    private bool HasLeft()
    {
        if (!down.ConnectionClosed.IsCancellationRequested || !SafePipe.TryRead(down.Transport.Input, out ReadResult read))
        {
            return false;
        }

        bool hasLeft = SafePipe.WasReset(read) || (read.IsCompleted && read.Buffer.IsEmpty);
        SafePipe.Advance(down.Transport.Input, read, read.Buffer.Start, read.Buffer.Start);
        return hasLeft;
    }

    private void LeavePlace()
    {
        if (_bulkhead is { } bulkhead)
        {
            _bulkhead = null;
            bulkhead.Leave();
        }
    }

    // What came of it is no refusal: it goes on.
    private void Remark(in DecisionRecord decision, Cluster cluster)
    {
        _record.Remark(decision);
        Decided(decision, cluster);
    }
}
