using System.Buffers;

namespace Mesh.Proxy.Http1;

/// <summary>
/// The header fields of one message as places in the bytes of its head: nothing is copied or turned into text. Reused from message to message;
/// spans it gives are valid until the next <see cref="TryParse"/>. Used by one connection.
/// </summary>
internal sealed class HeaderBlock
{
    /// <summary>Most fields of a head (Envoy's default).</summary>
    public const int MaxFields = 100;

    private static readonly SearchValues<byte> TokenBytes = SearchValues.Create(
        "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"u8);

    private static readonly SearchValues<byte> ForbiddenInValue = SearchValues.Create(
        [0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 127]);

    private readonly Field[] _fields = new Field[MaxFields];
    private byte[] _bytes = [];

    /// <summary>Number of fields.</summary>
    public int Count { get; private set; }

    /// <summary>True for a non-empty run of token characters (method, header name).</summary>
    public static bool IsToken(ReadOnlySpan<byte> text) => !text.IsEmpty && text.IndexOfAnyExcept(TokenBytes) < 0;

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

    /// <summary>Parses the lines of <paramref name="bytes"/> from <paramref name="start"/> to the empty line that ends at <paramref name="end"/>.</summary>
    public HeadError TryParse(byte[] bytes, int start, int end)
    {
        _bytes = bytes;
        Count = 0;
        int at = start;
        while (true)
        {
            ReadOnlySpan<byte> rest = bytes.AsSpan(at, end - at);
            int length = rest.IndexOf((byte)'\n');
            if (length < 1 || rest[length - 1] != '\r')
            {
                return HeadError.BadHeader; // a bare LF is how smuggling starts
            }

            if (length == 1)
            {
                return HeadError.None;
            }

            if (Count == MaxFields)
            {
                return HeadError.TooManyHeaders;
            }

            if (!TryAdd(rest[..(length - 1)], at))
            {
                return HeadError.BadHeader;
            }

            at += length + 1;
        }
    }

    /// <summary>True when one of the Connection fields lists <paramref name="name"/>, in any case.</summary>
    public bool ConnectionLists(ReadOnlySpan<byte> name)
    {
        for (int i = Find(KnownHeader.Connection); i >= 0; i = Find(KnownHeader.Connection, i + 1))
        {
            ReadOnlySpan<byte> list = Value(i);
            foreach (Range part in list.Split((byte)','))
            {
                if (KnownHeaders.Is(list[part].Trim(" \t"u8), name))
                {
                    return true;
                }
            }
        }

        return false;
    }

    private bool TryAdd(ReadOnlySpan<byte> line, int at)
    {
        // A line that starts with a blank would continue the one before (obsolete folding): refused, as every reader does it differently.
        int colon = line.IndexOf((byte)':');
        if (colon <= 0 || !IsToken(line[..colon]))
        {
            return false;
        }

        ReadOnlySpan<byte> raw = line[(colon + 1)..];
        ReadOnlySpan<byte> value = raw.TrimStart(" \t"u8);
        int valueStart = at + colon + 1 + (raw.Length - value.Length);
        value = value.TrimEnd(" \t"u8);
        if (value.ContainsAny(ForbiddenInValue))
        {
            return false;
        }

        _fields[Count++] = new Field(at, colon, valueStart, value.Length, KnownHeaders.Classify(line[..colon]));
        return true;
    }

    private readonly record struct Field(int NameStart, int NameLength, int ValueStart, int ValueLength, KnownHeader Kind);
}
