using System.Collections.Immutable;
using System.Net;
using Mesh.Proxy.Infrastructure;

namespace Mesh.Proxy.Dns;

/// <summary>A name that somebody watches, and what is known of it. Guarded by the resolver's lock where not said otherwise.</summary>
internal sealed class DnsName
{
    private readonly TaskCompletionSource _firstAnswer = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private ImmutableArray<IPAddress> _v4 = [];
    private ImmutableArray<IPAddress> _v6 = [];

    public DnsName(string name, Action<DnsName> refresh)
    {
        Name = name;
        Due = new TickEntry(() => refresh(this));
    }

    public string Name { get; }

    /// <summary>The next refresh.</summary>
    public TickEntry Due { get; }

    /// <summary>Whom to tell of changes; nobody: it is not refreshed any more.</summary>
    public List<Action> Watchers { get; } = [];

    /// <summary>Refreshes in a row that brought no address or only half an answer.</summary>
    public int Setbacks { get; set; }

    /// <summary>Whether the last refresh brought only half an answer, or none.</summary>
    public bool IsFailing { get; set; }

    /// <summary>Ends with the first refresh, whatever came of it, after the watchers were told. May be awaited by anybody.</summary>
    public Task FirstAnswer => _firstAnswer.Task;

    /// <summary>IPv4 first, then IPv6, each in the server's order.</summary>
    public ImmutableArray<IPAddress> Addresses => [.. _v4, .. _v6];

    /// <summary>Takes what came back; a family that nobody could tell about keeps its last good addresses. True when something changed.</summary>
    public bool Take(DnsAnswer v4, DnsAnswer v6)
    {
        ImmutableArray<IPAddress> before = Addresses;
        _v4 = v4.IsAnswered ? v4.Addresses : _v4;
        _v6 = v6.IsAnswered ? v6.Addresses : _v6;
        return !before.AsSpan().SequenceEqual(Addresses.AsSpan());
    }

    /// <summary>A refresh is over and the watchers know. Any thread.</summary>
    public void Done() => _firstAnswer.TrySetResult();
}
