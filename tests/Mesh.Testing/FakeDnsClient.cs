using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using Mesh.Proxy.Dns;

namespace Mesh.Testing;

/// <summary>Names whose addresses the test sets; answers at once. Thread-safe.</summary>
public sealed class FakeDnsClient : IDnsClient
{
    private readonly ConcurrentDictionary<(string Name, DnsRecordType Type), DnsAnswer> _answers = new();
    private readonly ConcurrentQueue<string> _asked = new();

    /// <summary>Names in the order in which their IPv4 addresses were asked for.</summary>
    public IReadOnlyList<string> Asked => [.. _asked];

    /// <summary>Questions wait for this task.</summary>
    public Task Gate { get; set; } = Task.CompletedTask;

    /// <summary>So many of the next questions throw: a bug of the client.</summary>
    public int Bugs { get; set; }

    /// <summary>Sets the addresses of both families.</summary>
    public void Set(string name, int ttlSeconds, params string[] addresses)
    {
        foreach ((DnsRecordType type, AddressFamily family) in (ReadOnlySpan<(DnsRecordType, AddressFamily)>)
            [(DnsRecordType.A, AddressFamily.InterNetwork), (DnsRecordType.Aaaa, AddressFamily.InterNetworkV6)])
        {
            IPAddress[] own = [.. addresses.Select(IPAddress.Parse).Where(a => a.AddressFamily == family)];
            _answers[(name, type)] = own.Length == 0 ? DnsAnswer.Empty : new DnsAnswer(true, [.. own], TimeSpan.FromSeconds(ttlSeconds));
        }
    }

    /// <summary>Nobody can tell about one family any more.</summary>
    public void Fail(string name, DnsRecordType type) => _answers[(name, type)] = DnsAnswer.Failed;

    /// <summary>The name does not exist any more.</summary>
    public void Remove(string name) => _answers[(name, DnsRecordType.A)] = _answers[(name, DnsRecordType.Aaaa)] = DnsAnswer.NoSuchName;

    /// <summary>Nobody can tell about the name any more.</summary>
    public void Fail(string name)
    {
        Fail(name, DnsRecordType.A);
        Fail(name, DnsRecordType.Aaaa);
    }

    public async Task<DnsAnswer> QueryAsync(string name, DnsRecordType type)
    {
        if (type == DnsRecordType.A)
        {
            _asked.Enqueue(name);
        }

        if (Bugs > 0)
        {
            Bugs--;
            throw new InvalidOperationException("the client has a bug");
        }

        await Gate;
        return _answers.GetValueOrDefault((name, type), DnsAnswer.Empty);
    }
}
