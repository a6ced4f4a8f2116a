using System.Globalization;

namespace Mesh.Proxy.Http1;

/// <summary>Fills a span from front to back; its maker has seen to it that there is room.</summary>
internal ref struct HeadBuffer(Span<byte> span)
{
    private readonly int _size = span.Length;
    private Span<byte> _rest = span;

    /// <summary>Bytes filled.</summary>
    public readonly int Length => _size - _rest.Length;

    /// <summary>Adds bytes as they are.</summary>
    public void Add(ReadOnlySpan<byte> bytes)
    {
        bytes.CopyTo(_rest);
        _rest = _rest[bytes.Length..];
    }

    /// <summary>Adds a number.</summary>
    public void Add(long number)
    {
        number.TryFormat(_rest, out int written, provider: CultureInfo.InvariantCulture);
        _rest = _rest[written..];
    }

    /// <summary>Adds a line <c>name: value</c>.</summary>
    public void AddField(ReadOnlySpan<byte> name, ReadOnlySpan<byte> value)
    {
        Add(name);
        Add(": "u8);
        Add(value);
        Add("\r\n"u8);
    }
}
