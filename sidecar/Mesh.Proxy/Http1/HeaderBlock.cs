using Mesh.Proxy.Http;
using Mesh.Proxy.Routing;

namespace Mesh.Proxy.Http1;

/// <summary>What Connection says to a proxy.</summary>
[Flags]
internal enum ConnectionOptions : byte
{
    /// <summary>Nothing.</summary>
    None = 0,

    /// <summary>The connection ends after this message.</summary>
    Close = 1,

    /// <summary>The connection goes on (HTTP/1.0).</summary>
    KeepAlive = 2,

    /// <summary>The Upgrade field is meant.</summary>
    Upgrade = 4,
}

/// <summary>
/// The header fields of one message as places in the bytes of its head: nothing is copied or turned into text. Reused from message to message;
/// spans it gives are valid until the next <see cref="TryParse"/>. Used by one connection.
/// </summary>
internal sealed class HeaderBlock(Http1Limits limits) : IHeaderFields
{
    private const int UsualFields = 24;
    private Field[] _fields = new Field[Math.Min(UsualFields, limits.MaxFields)];
    private byte[] _bytes = [];

    /// <summary>Number of fields.</summary>
    public int Count { get; private set; }

    /// <summary>Whether there is a field of kind <see cref="KnownHeader.EnvoyControl"/>.</summary>
    public bool HasControl { get; private set; }

    /// <summary>Whether there is a field of kind <see cref="KnownHeader.EnvoyExpectedTimeout"/>.</summary>
    public bool HasDeadline { get; private set; }

    /// <summary>Options of all Connection fields.</summary>
    public ConnectionOptions Options { get; private set; }

    /// <summary>Name of field <paramref name="index"/> as sent.</summary>
    public ReadOnlySpan<byte> Name(int index) => _bytes.AsSpan(_fields[index].NameStart, _fields[index].NameLength);

    /// <summary>Value of field <paramref name="index"/> without surrounding blanks.</summary>
    public ReadOnlySpan<byte> Value(int index) => _bytes.AsSpan(_fields[index].ValueStart, _fields[index].ValueLength);

    /// <summary>What field <paramref name="index"/> is.</summary>
    public KnownHeader Kind(int index) => _fields[index].Kind;

    /// <summary>Index of the first field of this kind from <paramref name="from"/> on, or -1.</summary>
    public int Find(KnownHeader kind, int from = 0)
    {
        for (int i = from; i < Count; i++)
        {
            if (_fields[i].Kind == kind)
            {
                return i;
            }
        }

        return -1;
    }

    /// <summary>Index of the first field of this name, in any case, or -1.</summary>
    public int Find(ReadOnlySpan<byte> name)
    {
        for (int i = 0; i < Count; i++)
        {
            if (KnownHeaders.Is(Name(i), name))
            {
                return i;
            }
        }

        return -1;
    }

    /// <summary>True when a field of this kind has <paramref name="token"/> in its list, in any case.</summary>
    public bool Lists(KnownHeader kind, ReadOnlySpan<byte> token)
    {
        for (int i = Find(kind); i >= 0; i = Find(kind, i + 1))
        {
            ReadOnlySpan<byte> rest = Value(i);
            while (TakeElement(ref rest, out ReadOnlySpan<byte> element))
            {
                if (KnownHeaders.Is(element, token))
                {
                    return true;
                }
            }
        }

        return false;
    }

    /// <summary>Parses the lines of <paramref name="bytes"/> from <paramref name="start"/> to the empty line that ends at <paramref name="end"/>.</summary>
    public HeadError TryParse(byte[] bytes, int start, int end)
    {
        _bytes = bytes;
        Count = 0;
        Options = ConnectionOptions.None;
        bool hasConnection = false;
        HasControl = HasDeadline = false;
        ReadOnlySpan<byte> rest = bytes.AsSpan(start, end - start);
        while (!rest.StartsWith("\r\n"u8))
        {
            if (!FieldLine.TryParse(rest, out FieldLine line))
            {
                return HeadError.BadHeader;
            }

            if (Count == _fields.Length)
            {
                if (Count == limits.MaxFields)
                {
                    return HeadError.TooManyHeaders;
                }

                Array.Resize(ref _fields, Math.Min(Count * 4, limits.MaxFields));
            }

            int at = end - rest.Length;
            KnownHeader kind = KnownHeaders.Classify(rest[..line.NameLength]);
            hasConnection |= kind == KnownHeader.Connection;
            HasControl |= kind == KnownHeader.EnvoyControl;
            HasDeadline |= kind == KnownHeader.EnvoyExpectedTimeout;
            _fields[Count++] = new Field(at, line.NameLength, at + line.ValueStart, line.ValueLength, kind);
            rest = rest[line.Length..];
        }

        return rest.Length != 2 ? HeadError.BadHeader : hasConnection ? ReadConnection() : HeadError.None;
    }

    // Once for each message, so that nobody needs to look into the list again: fields that it names are marked.
    private HeadError ReadConnection()
    {
        int named = 0;
        for (int i = Find(KnownHeader.Connection); i >= 0; i = Find(KnownHeader.Connection, i + 1))
        {
            ReadOnlySpan<byte> rest = Value(i);
            while (TakeElement(ref rest, out ReadOnlySpan<byte> option))
            {
                ConnectionOptions known = option.Length switch
                {
                    5 when KnownHeaders.Is(option, "close"u8) => ConnectionOptions.Close,
                    7 when KnownHeaders.Is(option, "upgrade"u8) => ConnectionOptions.Upgrade,
                    10 when KnownHeaders.Is(option, "keep-alive"u8) => ConnectionOptions.KeepAlive,
                    _ => ConnectionOptions.None,
                };
                Options |= known;
                if (known != ConnectionOptions.None || option.IsEmpty)
                {
                    continue;
                }

                if (++named > limits.MaxConnectionOptions)
                {
                    return HeadError.BadHeader;
                }

                Mark(option);
            }
        }

        return HeadError.None;
    }

    private void Mark(ReadOnlySpan<byte> name)
    {
        for (int i = 0; i < Count; i++)
        {
            if (KnownHeaders.MayBeNamedByConnection(_fields[i].Kind) && KnownHeaders.Is(Name(i), name))
            {
                _fields[i] = _fields[i] with { Kind = KnownHeader.NamedByConnection };
            }
        }
    }

    private static bool TakeElement(ref ReadOnlySpan<byte> list, out ReadOnlySpan<byte> element)
    {
        int comma = list.IndexOf((byte)',');
        bool hasAny = !list.IsEmpty;
        element = (comma < 0 ? list : list[..comma]).Trim(" \t"u8);
        list = comma < 0 ? default : list[(comma + 1)..];
        return hasAny;
    }

    private readonly record struct Field(int NameStart, int NameLength, int ValueStart, int ValueLength, KnownHeader Kind);
}
