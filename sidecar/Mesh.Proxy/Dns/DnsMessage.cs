using System.Buffers.Binary;
using System.Collections.Immutable;
using System.Net;
using System.Text;

namespace Mesh.Proxy.Dns;

/// <summary>What a datagram or a TCP message was.</summary>
internal enum DnsReply
{
    /// <summary>Not the answer to this question; the answer may still come.</summary>
    NotOurs,

    /// <summary>Cut short by the server; ask again over TCP.</summary>
    Truncated,

    /// <summary>The answer, or the server's word that it has none to give.</summary>
    Answer,
}

/// <summary>Questions and answers as bytes (RFC 1035). What is not exactly right is refused: an answer comes from a stranger. Pure.</summary>
internal static class DnsMessage
{
    /// <summary>Longest question: header, name, type and class.</summary>
    public const int MaxQueryLength = HeaderLength + MaxNameLength + 4;

    private const int HeaderLength = 12;
    private const int MaxNameLength = 255;
    private const int MaxLabelLength = 63;
    private const int MaxAliases = 16;
    private const ushort ClassInternet = 1;
    private const ushort TypeAlias = 5;
    private const int NoSuchName = 3;
    private static readonly DnsAnswer Malformed = DnsAnswer.FailedWith("malformed answer");

    /// <summary>Writes the question; its length, or 0 when the name cannot be asked for.</summary>
    public static int WriteQuery(Span<byte> buffer, ushort id, string name, DnsRecordType type)
    {
        Span<byte> header = buffer[..HeaderLength];
        header.Clear();
        BinaryPrimitives.WriteUInt16BigEndian(header, id);
        header[2] = 1; // recursion desired
        header[5] = 1; // one question
        int at = HeaderLength;
        foreach (string label in name.Split('.'))
        {
            if (label.Length is 0 or > MaxLabelLength || !Ascii.IsValid(label) || at + label.Length + 2 > HeaderLength + MaxNameLength)
            {
                return 0;
            }

            buffer[at++] = (byte)label.Length;
            at += Encoding.ASCII.GetBytes(label, buffer[at..]);
        }

        buffer[at++] = 0;
        BinaryPrimitives.WriteUInt16BigEndian(buffer[at..], (ushort)type);
        BinaryPrimitives.WriteUInt16BigEndian(buffer[(at + 2)..], ClassInternet);
        return at + 4;
    }

    /// <summary>Reads what came back to <paramref name="query"/>.</summary>
    public static DnsReply Read(ReadOnlySpan<byte> message, ReadOnlySpan<byte> query, out DnsAnswer answer)
    {
        answer = Malformed;
        bool isReply = message.Length >= query.Length && (message[2] & 0x80) != 0 && message[..2].SequenceEqual(query[..2]);
        if (!isReply || !Ascii.EqualsIgnoreCase(message[HeaderLength..query.Length], query[HeaderLength..]))
        {
            return DnsReply.NotOurs;
        }

        if ((message[2] & 0x02) != 0)
        {
            return DnsReply.Truncated;
        }

        int code = message[3] & 0x0F;
        if (code != 0)
        {
            answer = code switch { NoSuchName => DnsAnswer.NoSuchName, 2 => DnsAnswer.FailedWith("SERVFAIL"), 5 => DnsAnswer.FailedWith("REFUSED"), _ => DnsAnswer.FailedWith($"error {code}") };
        }
        else if (BinaryPrimitives.ReadUInt16BigEndian(message[4..]) == 1)
        {
            answer = ReadRecords(message, query);
        }

        return DnsReply.Answer;
    }

    private static DnsAnswer ReadRecords(ReadOnlySpan<byte> message, ReadOnlySpan<byte> query)
    {
        ushort wanted = BinaryPrimitives.ReadUInt16BigEndian(query[^4..]);
        int length = wanted == (ushort)DnsRecordType.A ? 4 : 16;
        Dictionary<string, (string Target, uint Ttl)> aliases = [];
        List<(string Owner, IPAddress Address, uint Ttl)> found = [];
        int at = query.Length;
        for (int left = BinaryPrimitives.ReadUInt16BigEndian(message[6..]); left > 0; left--)
        {
            if (!TryReadName(message, ref at, out string owner) || message.Length - at < 10)
            {
                return Malformed;
            }

            ReadOnlySpan<byte> fields = message.Slice(at, 10);
            (ushort type, ushort kind) = (BinaryPrimitives.ReadUInt16BigEndian(fields), BinaryPrimitives.ReadUInt16BigEndian(fields[2..]));
            (uint ttl, ushort size) = (BinaryPrimitives.ReadUInt32BigEndian(fields[4..]), BinaryPrimitives.ReadUInt16BigEndian(fields[8..]));
            at += 10;
            int end = at + size;
            if (end > message.Length)
            {
                return Malformed;
            }

            ttl = ttl > int.MaxValue ? 0 : ttl; // RFC 2181, section 8
            if (kind == ClassInternet && type == wanted)
            {
                if (size != length)
                {
                    return Malformed;
                }

                found.Add((owner, new IPAddress(message[at..end]), ttl));
            }
            else if (kind == ClassInternet && type == TypeAlias)
            {
                int inside = at;
                if (!TryReadName(message, ref inside, out string target) || inside != end)
                {
                    return Malformed;
                }

                aliases[owner] = (target, ttl);
            }

            at = end;
        }

        int asked = HeaderLength;
        return TryReadName(query, ref asked, out string name) ? Follow(name, aliases, found) : Malformed;
    }

    // Only what the question leads to counts; a record about another name is none of ours.
    private static DnsAnswer Follow(
        string name, Dictionary<string, (string Target, uint Ttl)> aliases, List<(string Owner, IPAddress Address, uint Ttl)> found)
    {
        uint ttl = uint.MaxValue;
        for (int i = 0; i < MaxAliases && aliases.TryGetValue(name, out (string Target, uint Ttl) alias); i++)
        {
            (name, ttl) = (alias.Target, Math.Min(ttl, alias.Ttl));
        }

        ImmutableArray<IPAddress>.Builder addresses = ImmutableArray.CreateBuilder<IPAddress>();
        foreach ((string owner, IPAddress address, uint own) in found)
        {
            if (owner == name && !addresses.Contains(address))
            {
                addresses.Add(address);
                ttl = Math.Min(ttl, own);
            }
        }

        return addresses.Count == 0 ? DnsAnswer.Empty : new DnsAnswer(true, addresses.ToImmutable(), TimeSpan.FromSeconds(ttl));
    }

    /// <summary>Reads a name, lower case; a pointer must lead to before whatever was read of the name so far, so that no loop can be.</summary>
    private static bool TryReadName(ReadOnlySpan<byte> message, ref int at, out string name)
    {
        StringBuilder text = new();
        name = "";
        int position = at;
        int lowest = at;
        bool hasJumped = false;
        while (position < message.Length)
        {
            int length = message[position];
            if (length == 0)
            {
                at = hasJumped ? at : position + 1;
                name = text.ToString();
                return true;
            }

            if (length >= 0xC0)
            {
                int target = position + 1 < message.Length ? ((length & 0x3F) << 8) | message[position + 1] : int.MaxValue;
                if (target >= lowest || target < HeaderLength)
                {
                    return false;
                }

                at = hasJumped ? at : position + 2;
                (hasJumped, position, lowest) = (true, target, target);
                continue;
            }

            if (length > MaxLabelLength || position + 1 + length > message.Length || text.Length + 1 + length > MaxNameLength)
            {
                return false;
            }

            text.Append(text.Length == 0 ? "" : ".").Append(Encoding.Latin1.GetString(message.Slice(position + 1, length)).ToLowerInvariant());
            position += 1 + length;
        }

        return false;
    }
}
