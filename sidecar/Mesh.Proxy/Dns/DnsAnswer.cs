using System.Collections.Immutable;
using System.Net;

namespace Mesh.Proxy.Dns;

/// <summary>Record types that are asked for; the values are those on the wire.</summary>
public enum DnsRecordType
{
    /// <summary>An IPv4 address.</summary>
    A = 1,

    /// <summary>An IPv6 address.</summary>
    Aaaa = 28,
}

/// <summary>What became of a question.</summary>
/// <param name="IsAnswered">False when nobody could tell (no server answers, SERVFAIL); what is known stays in use then.</param>
/// <param name="Addresses">The records; none when the name has none or does not exist.</param>
/// <param name="Ttl">How long the records hold; zero when there are none.</param>
/// <param name="Problem">Why there is no address, in one word or two: <c>NXDOMAIN</c>, <c>NODATA</c>, <c>SERVFAIL</c>, <c>no answer</c>; empty when there is one.</param>
public readonly record struct DnsAnswer(bool IsAnswered, ImmutableArray<IPAddress> Addresses, TimeSpan Ttl, string Problem = "")
{
    /// <summary>No server answered in time, or none could be reached.</summary>
    public static DnsAnswer Failed { get; } = FailedWith("no answer");

    /// <summary>The name exists, but has no such record.</summary>
    public static DnsAnswer Empty { get; } = new(true, [], TimeSpan.Zero, "NODATA");

    /// <summary>The name does not exist.</summary>
    public static DnsAnswer NoSuchName { get; } = new(true, [], TimeSpan.Zero, "NXDOMAIN");

    /// <summary>Nobody could tell, because of <paramref name="problem"/>.</summary>
    public static DnsAnswer FailedWith(string problem) => new(false, [], TimeSpan.Zero, problem);
}

/// <summary>Answers questions about names: the seam below the resolver. Implementations are thread-safe.</summary>
public interface IDnsClient
{
    /// <summary>Asks for the records of a name. Failure is a value; an exception is a bug.</summary>
    /// <param name="name">Fully qualified name, lower case, without the last dot.</param>
    /// <param name="type">Which records.</param>
    Task<DnsAnswer> QueryAsync(string name, DnsRecordType type);
}
