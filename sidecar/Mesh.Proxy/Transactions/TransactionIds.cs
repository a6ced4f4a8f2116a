using System.Collections.Immutable;
using System.Globalization;
using System.Text;
using Mesh.Rules.Snapshots;

namespace Mesh.Proxy.Transactions;

/// <summary>Makes the ids that one cluster's calls carry (adr/0050). Thread-safe; writing one allocates nothing.</summary>
internal sealed class TransactionIds
{
    private readonly ImmutableArray<TransactionIdPart> _parts;
    private readonly byte[] _prefix; // "name: "
    private readonly byte[] _instance;
    private readonly TransactionSequence _sequence;

    /// <param name="config">Field and form.</param>
    /// <param name="instance">Id of this sidecar; what cannot stand in a header field becomes a hyphen.</param>
    /// <param name="sequence">Where all ids of the process get their numbers.</param>
    public TransactionIds(TransactionIdConfig config, string instance, TransactionSequence sequence)
    {
        Config = config;
        TransactionIdFormat.Read(config.Format, out _parts);
        Header = Encoding.ASCII.GetBytes(config.Header);
        _prefix = [.. Header, .. ": "u8];
        _instance = Encoding.ASCII.GetBytes([.. instance.Select(static c => c is > ' ' and <= '~' ? c : '-')]);
        _sequence = sequence;
        MaxLength = _prefix.Length + 2 + _parts.Sum(MaxLengthOf);
    }

    /// <summary>Field and form.</summary>
    public TransactionIdConfig Config { get; }

    /// <summary>Name of the field.</summary>
    public byte[] Header { get; }

    /// <summary>Most bytes that <see cref="WriteLine"/> writes.</summary>
    public int MaxLength { get; }

    /// <summary>Where in such a line the id begins; it ends before the line's last two bytes.</summary>
    public int ValueStart => _prefix.Length;

    /// <summary>Writes the header field with the next id, its line end included; returns its length.</summary>
    /// <param name="line">Room for <see cref="MaxLength"/> bytes.</param>
    /// <param name="now">UTC.</param>
    public int WriteLine(Span<byte> line, DateTimeOffset now)
    {
        long number = _sequence.Next();
        _prefix.CopyTo(line);
        int length = _prefix.Length;
        foreach (TransactionIdPart part in _parts)
        {
            length += Write(part, line[length..], now, number);
        }

        "\r\n"u8.CopyTo(line[length..]);
        return length + 2;
    }

    private int Write(in TransactionIdPart part, Span<byte> to, DateTimeOffset now, long number)
    {
        switch (part.Kind)
        {
            case TransactionIdPartKind.Time:
                now.TryFormat(to, out int written, part.Text, CultureInfo.InvariantCulture);
                return written;
            case TransactionIdPartKind.Sequence:
                return WriteNumber(part.Length, to, number);
            case TransactionIdPartKind.Instance:
                return WriteInstance(part.Length, to);
            default:
                return Encoding.ASCII.GetBytes(part.Text, to);
        }
    }

    private static int WriteNumber(int digits, Span<byte> to, long number)
    {
        if (digits == 0)
        {
            number.TryFormat(to, out int written, provider: CultureInfo.InvariantCulture);
            return written;
        }

        for (int i = digits - 1; i >= 0; i--) // the digits that do not fit go: after the highest number comes 0
        {
            to[i] = (byte)('0' + (number % 10));
            number /= 10;
        }

        return digits;
    }

    // The end of a pod's name is what differs from its siblings'.
    private int WriteInstance(int wanted, Span<byte> to)
    {
        if (wanted == 0 || wanted == _instance.Length)
        {
            _instance.CopyTo(to);
            return _instance.Length;
        }

        int missing = Math.Max(0, wanted - _instance.Length);
        to[..missing].Fill((byte)'0');
        _instance.AsSpan(Math.Max(0, _instance.Length - wanted)).CopyTo(to[missing..]);
        return wanted;
    }

    private int MaxLengthOf(TransactionIdPart part) => part.Kind switch
    {
        TransactionIdPartKind.Time => part.Text.Length, // each word of a pattern writes what it is long
        TransactionIdPartKind.Sequence => part.Length == 0 ? 20 : part.Length,
        TransactionIdPartKind.Instance => part.Length == 0 ? _instance.Length : part.Length,
        _ => part.Text.Length,
    };
}
