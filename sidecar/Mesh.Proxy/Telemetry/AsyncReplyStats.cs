namespace Mesh.Proxy.Telemetry;

/// <summary>Counters of late answers; a cluster without a rule for them has none of them.</summary>
public sealed class AsyncReplyStats
{
    /// <summary>async_reply.in_time: calls that might have been answered late, and were not.</summary>
    public StripedCounter InTime { get; } = new();

    /// <summary>async_reply.accepted: calls that were answered 202.</summary>
    public StripedCounter Accepted { get; } = new();

    /// <summary>async_reply.full: calls whose caller had to wait, because no more could be kept.</summary>
    public StripedCounter Full { get; } = new();

    /// <summary>async_reply.lost: answers that were too long, or broke off.</summary>
    public StripedCounter Lost { get; } = new();

    /// <summary>async_reply.fetched: times that a kept answer was fetched.</summary>
    public StripedCounter Fetched { get; } = new();

    /// <summary>async_reply.kept: calls under way and answers.</summary>
    public Gauge Kept { get; } = new();
}
