namespace Mesh.Proxy.Transport.Epoll;

/// <summary>Something with a descriptor that a loop watches. The ticket tells its events from those of an earlier owner of the same place.</summary>
internal abstract class LoopHandle
{
    /// <summary>Place and generation, as the kernel hands them back; 0 while it is not watched.</summary>
    internal long Ticket { get; set; }

    /// <summary>The descriptor is ready for <paramref name="events"/>; on the loop's thread.</summary>
    internal abstract void OnReady(uint events);
}
