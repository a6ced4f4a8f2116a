using System.Collections.Immutable;
using System.Net;
using Mesh.Proxy.Infrastructure;

namespace Mesh.Proxy.Dns;

/// <summary>How it stands with a name; a change of it is worth a line in the log.</summary>
internal enum DnsHealth
{
    /// <summary>It has addresses, and they are fresh.</summary>
    Fresh,

    /// <summary>It does not exist, or has no address.</summary>
    Empty,

    /// <summary>Nobody can tell; what is known stays in use.</summary>
    Unknown,
}

/// <summary>A name that somebody watches, and what is known of it. Guarded by the resolver's lock where not said otherwise.</summary>
internal sealed class DnsName
{
    private readonly TaskCompletionSource _firstAnswer = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private ImmutableArray<IPAddress> _v4 = [];
    private ImmutableArray<IPAddress> _v6 = [];
    private volatile string? _problem;

    public DnsName(string name, Action<DnsName> refresh)
    {
        Name = name;
        Due = new TickEntry(() => refresh(this));
    }

    public string Name { get; }

    /// <summary>The next refresh.</summary>
    public TickEntry Due { get; }

    /// <summary>Whom to tell; nobody: it is not refreshed any more.</summary>
    public List<IDnsWatcher> Watchers { get; } = [];

    /// <summary>Refreshes in a row that brought no address or only half an answer.</summary>
    public int Setbacks { get; set; }

    /// <summary>How it stands since the last refresh.</summary>
    public DnsHealth Health { get; private set; }

    /// <summary>What is wrong with it, <c>dns: NXDOMAIN for api.example.com</c>; null when nothing is. Any thread may read it.</summary>
    public string? Problem => _problem;

    /// <summary>Ends with the first refresh, whatever came of it, after the watchers were told. May be awaited by anybody.</summary>
    public Task FirstAnswer => _firstAnswer.Task;

    /// <summary>Both families in turn, IPv4 first, each in the server's order: the order in which they are tried (RFC 8305, section 4).</summary>
    public ImmutableArray<IPAddress> Addresses
    {
        get
        {
            ImmutableArray<IPAddress>.Builder all = ImmutableArray.CreateBuilder<IPAddress>(_v4.Length + _v6.Length);
            for (int i = 0; i < Math.Max(_v4.Length, _v6.Length); i++)
            {
                all.AddRange(_v4.AsSpan()[Math.Min(i, _v4.Length)..Math.Min(i + 1, _v4.Length)]);
                all.AddRange(_v6.AsSpan()[Math.Min(i, _v6.Length)..Math.Min(i + 1, _v6.Length)]);
            }

            return all.MoveToImmutable();
        }
    }

    /// <summary>Takes what came back; a family that nobody could tell about keeps its last good addresses.</summary>
    public DnsRefresh Take(DnsAnswer v4, DnsAnswer v6)
    {
        ImmutableArray<IPAddress> before = Addresses;
        _v4 = v4.IsAnswered ? v4.Addresses : _v4;
        _v6 = v6.IsAnswered ? v6.Addresses : _v6;
        bool isAnswered = v4.IsAnswered && v6.IsAnswered;
        bool isEmpty = _v4.IsEmpty && _v6.IsEmpty;
        Health = !isAnswered ? DnsHealth.Unknown : isEmpty ? DnsHealth.Empty : DnsHealth.Fresh;
        string why = !v6.IsAnswered && v4.IsAnswered ? v6.Problem : v4.Problem; // when both say that there is none, they say the same
        _problem = Health == DnsHealth.Fresh ? null : $"dns: {why} for {Name}";
        return new DnsRefresh(isAnswered, isEmpty, !before.AsSpan().SequenceEqual(Addresses.AsSpan()));
    }

    /// <summary>A refresh is over and the watchers know. Any thread.</summary>
    public void Done() => _firstAnswer.TrySetResult();
}
