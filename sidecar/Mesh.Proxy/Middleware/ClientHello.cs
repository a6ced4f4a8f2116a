using System.Buffers;
using System.Buffers.Binary;
using System.Text;

namespace Mesh.Proxy.Middleware;

/// <summary>How far the first bytes of a connection could be read as a TLS ClientHello.</summary>
internal enum HelloStatus : byte
{
    /// <summary>So far they can be the beginning of one.</summary>
    Incomplete,

    /// <summary>They are none, or a broken one, which its server may refuse.</summary>
    NotTls,

    /// <summary>It is all there.</summary>
    Complete,
}

/// <summary>What a client says before anything is encrypted (RFC 8446 4.1.2, RFC 6066 3, RFC 7301).</summary>
/// <param name="ServerName">Server that it asks for, in lower case; null when it names none.</param>
/// <param name="Protocols">Application protocols that it offers (ALPN), comma separated; null when it offers none.</param>
internal readonly record struct ClientHello(string? ServerName, string? Protocols)
{
    /// <summary>Most bytes that are looked at, as in Envoy: a longer hello is passed on as if it named nobody.</summary>
    public const int MaxBytes = 16 * 1024;

    private const int RecordHeader = 5;
    private const int MessageHeader = 4;
    private const byte HandshakeRecord = 22;
    private const byte HelloMessage = 1;
    private const byte Major = 3; // of every version from SSL 3.0 to TLS 1.3
    private const ushort ServerNameExtension = 0;
    private const ushort ProtocolsExtension = 16;

    /// <summary>Reads the hello at the start of <paramref name="bytes"/>, which may be split into records, and these into segments, anywhere. Pure.</summary>
    public static HelloStatus Parse(in ReadOnlySequence<byte> bytes, out ClientHello hello)
    {
        int length = (int)Math.Min(bytes.Length, MaxBytes);
        HelloStatus status;
        if (bytes.FirstSpan.Length >= length)
        {
            status = Parse(bytes.FirstSpan[..length], out hello);
        }
        else
        {
            byte[] whole = ArrayPool<byte>.Shared.Rent(length);
            bytes.Slice(0, length).CopyTo(whole);
            status = Parse(whole.AsSpan(0, length), out hello);
            ArrayPool<byte>.Shared.Return(whole);
        }

        return status == HelloStatus.Incomplete && length == MaxBytes ? HelloStatus.NotTls : status;
    }

    private static HelloStatus Parse(ReadOnlySpan<byte> bytes, out ClientHello hello)
    {
        hello = default;
        HelloStatus status = TakeRecord(ref bytes, out ReadOnlySpan<byte> message);
        if (status != HelloStatus.Complete)
        {
            return status;
        }

        if (IsWhole(message))
        {
            return ParseMessage(message, out hello);
        }

        // In several records: what they carry is joined until it is a message.
        byte[] joined = ArrayPool<byte>.Shared.Rent(message.Length + bytes.Length);
        int length = 0;
        while (status == HelloStatus.Complete && !IsWhole(joined.AsSpan(0, length)))
        {
            message.CopyTo(joined.AsSpan(length));
            length += message.Length;
            status = IsWhole(joined.AsSpan(0, length)) ? HelloStatus.Complete : TakeRecord(ref bytes, out message);
        }

        status = status == HelloStatus.Complete ? ParseMessage(joined.AsSpan(0, length), out hello) : status;
        ArrayPool<byte>.Shared.Return(joined);
        return status;
    }

    private static bool IsWhole(ReadOnlySpan<byte> message) =>
        message.Length > 0 && (message[0] != HelloMessage || (message.Length >= MessageHeader && message.Length - MessageHeader >= MessageLength(message)));

    private static int MessageLength(ReadOnlySpan<byte> message) => BinaryPrimitives.ReadInt32BigEndian(message) & 0xffffff;

    private static HelloStatus TakeRecord(ref ReadOnlySpan<byte> bytes, out ReadOnlySpan<byte> payload)
    {
        payload = default;
        if (bytes is [not HandshakeRecord, ..] or [_, not Major, ..])
        {
            return HelloStatus.NotTls;
        }

        if (bytes.Length < RecordHeader)
        {
            return HelloStatus.Incomplete;
        }

        int length = BinaryPrimitives.ReadUInt16BigEndian(bytes[3..]);
        if (length is 0 or > MaxBytes)
        {
            return HelloStatus.NotTls;
        }

        if (bytes.Length - RecordHeader < length)
        {
            return HelloStatus.Incomplete;
        }

        payload = bytes.Slice(RecordHeader, length);
        bytes = bytes[(RecordHeader + length)..];
        return HelloStatus.Complete;
    }

    private static HelloStatus ParseMessage(ReadOnlySpan<byte> message, out ClientHello hello)
    {
        hello = default;
        if (message[0] != HelloMessage)
        {
            return HelloStatus.NotTls;
        }

        Fields body = new(message.Slice(MessageHeader, MessageLength(message)));
        if (!body.TrySkip(2 + 32) || !body.TryTake8(out _) || !body.TryTake16(out _) || !body.TryTake8(out _))
        {
            return HelloStatus.NotTls; // version and random, session, cipher suites, compressions
        }

        return body.IsEmpty ? HelloStatus.Complete // from before there were extensions
            : body.TryTake16(out ReadOnlySpan<byte> extensions) && body.IsEmpty && TryRead(new Fields(extensions), out hello) ? HelloStatus.Complete : HelloStatus.NotTls;
    }

    // What two readers could read in two ways is no hello: the one behind must not see another name than we did.
    private static bool TryRead(Fields extensions, out ClientHello hello)
    {
        string? name = null;
        string? protocols = null;
        hello = default;
        while (!extensions.IsEmpty)
        {
            if (!extensions.TryTakeNumber(out ushort kind) || !extensions.TryTake16(out ReadOnlySpan<byte> value)
                || (kind == ServerNameExtension && (name is not null || (name = ReadName(new Fields(value))) is null))
                || (kind == ProtocolsExtension && (protocols is not null || (protocols = ReadProtocols(new Fields(value))) is null)))
            {
                return false;
            }
        }

        hello = new ClientHello(name, protocols);
        return true;
    }

    // A list by its form, of one name by its rule.
    private static string? ReadName(Fields value)
    {
        const byte HostName = 0;
        if (!value.TryTake16(out ReadOnlySpan<byte> list) || !value.IsEmpty || list is not [HostName, ..])
        {
            return null;
        }

        Fields entry = new(list[1..]);
        return entry.TryTake16(out ReadOnlySpan<byte> name) && entry.IsEmpty && name.Length is > 0 and <= 255 && !name.ContainsAnyExceptInRange((byte)'!', (byte)'~')
            ? Encoding.ASCII.GetString(name).ToLowerInvariant()
            : null;
    }

    private static string? ReadProtocols(Fields value)
    {
        if (!value.TryTake16(out ReadOnlySpan<byte> list) || !value.IsEmpty || list.IsEmpty)
        {
            return null;
        }

        StringBuilder names = new();
        Fields entries = new(list);
        while (!entries.IsEmpty)
        {
            if (!entries.TryTake8(out ReadOnlySpan<byte> name) || name.IsEmpty)
            {
                return null;
            }

            names.Append(names.Length > 0 ? "," : "").Append(Encoding.Latin1.GetString(name));
        }

        return names.ToString();
    }

    /// <summary>Fields one after another, those of variable length with their length before them.</summary>
    private ref struct Fields(ReadOnlySpan<byte> bytes)
    {
        private ReadOnlySpan<byte> _rest = bytes;

        public readonly bool IsEmpty => _rest.IsEmpty;

        public bool TrySkip(int count) => TryTake(0, count, out _);

        public bool TryTakeNumber(out ushort number)
        {
            number = _rest.Length >= 2 ? BinaryPrimitives.ReadUInt16BigEndian(_rest) : default;
            return TrySkip(2);
        }

        public bool TryTake8(out ReadOnlySpan<byte> field) => TryTake(1, _rest.IsEmpty ? 0 : _rest[0], out field);

        public bool TryTake16(out ReadOnlySpan<byte> field) => TryTake(2, _rest.Length < 2 ? 0 : BinaryPrimitives.ReadUInt16BigEndian(_rest), out field);

        private bool TryTake(int header, int length, out ReadOnlySpan<byte> field)
        {
            field = default;
            if (_rest.Length < header + length)
            {
                return false;
            }

            field = _rest.Slice(header, length);
            _rest = _rest[(header + length)..];
            return true;
        }
    }
}
