using Mesh.Proxy.Infrastructure;

namespace Mesh.Proxy.Concurrency;

/// <summary>A call's place in the line of a <see cref="Bulkhead"/>. Kept from call to call; its owner waits, everything else is the bulkhead's.</summary>
internal sealed class WaitingPlace(TimeProvider time)
{
    private volatile bool _isCalled;

    /// <summary>Ends when the call may enter, or when it has waited for too long. Begun by the bulkhead, ended early by anybody.</summary>
    public Pause Pause { get; } = new(time);

    /// <summary>The call's turn has come: a place is counted for it.</summary>
    public bool IsCalled
    {
        get => _isCalled;
        set => _isCalled = value;
    }

    /// <summary>Who comes before.</summary>
    public WaitingPlace? Before { get; set; }

    /// <summary>Who comes after.</summary>
    public WaitingPlace? Behind { get; set; }
}
