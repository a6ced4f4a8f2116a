using System.IO.Pipelines;
using Mesh.Proxy.Http;
using Mesh.Proxy.Retry;
using Mesh.Proxy.Upstream;

namespace Mesh.Proxy.Http1;

/// <summary>
/// Sends copies of requests to the clusters that a route mirrors to, and forgets them (semantics 6.3, adr/0022). Bounded in number here, in bytes by
/// <see cref="RetryMemory"/>, in time by the route; what goes beyond is not sent and counted. Thread-safe.
/// </summary>
/// <param name="context">What all connections share.</param>
/// <param name="maxInFlight">Copies at the same time, those that wait for a connection included.</param>
internal sealed class MirrorSender(ProxyContext context, int maxInFlight = MirrorSender.DefaultMaxInFlight)
{
    /// <summary>Copies at the same time when nobody says otherwise.</summary>
    public const int DefaultMaxInFlight = 1024;

    private const int MaxIdle = 64; // some 3 KiB each
    private readonly Lock _gate = new();
    private readonly Stack<MirrorCopy> _idle = new();
    private int _inFlight;

    /// <summary>Copies under way.</summary>
    public int InFlight => Volatile.Read(ref _inFlight);

    /// <summary>Starts a copy on the caller's event loop; what is at hand is written before it returns, and it never waits.</summary>
    /// <param name="to">Where to.</param>
    /// <param name="message">What is sent. The copy becomes one more user of its bytes.</param>
    /// <param name="loop">Event loop of the caller; null without loops.</param>
    /// <param name="pick">What chooses an endpoint.</param>
    public void Send(Cluster to, in MirrorMessage message, PipeScheduler? loop, PickContext pick)
    {
        if (Interlocked.Increment(ref _inFlight) > maxInFlight)
        {
            Interlocked.Decrement(ref _inFlight);
            to.Stats.RqShadowDropped.Add();
            return;
        }

        message.Share();
        MirrorCopy copy = Take();
        copy.Begin(to, message, loop, pick);
        to.Services.Background.Start("mirror", static c => c.RunAsync(), copy);
    }

    /// <summary>A copy is over.</summary>
    internal void Return(MirrorCopy copy)
    {
        Interlocked.Decrement(ref _inFlight);
        lock (_gate)
        {
            if (_idle.Count < MaxIdle)
            {
                _idle.Push(copy);
            }
        }
    }

    private MirrorCopy Take()
    {
        lock (_gate)
        {
            if (_idle.TryPop(out MirrorCopy? copy))
            {
                return copy;
            }
        }

        return new MirrorCopy(this, context);
    }
}

/// <summary>The bytes of a request that copies are made of: used by all of them together, given back by the last.</summary>
/// <param name="Head">Head as it went to the request's own upstream.</param>
/// <param name="Body">Body as it went there; null for none.</param>
/// <param name="IsHead">The method is HEAD: the answer has no body.</param>
/// <param name="Limit">Time for the copy, from its start to the end of its answer.</param>
internal readonly record struct MirrorMessage(KeptBody Head, KeptBody? Body, bool IsHead, TimeSpan Limit)
{
    /// <summary>One more user, who will <see cref="Release"/>.</summary>
    public void Share()
    {
        Head.Share();
        Body?.Share();
    }

    /// <summary>One user less.</summary>
    public void Release()
    {
        Head.Release();
        Body?.Release();
    }
}
