using System.Buffers;
using System.Text;
using Mesh.Rules.Snapshots;

namespace Mesh.Proxy.Routing;

/// <summary>A <see cref="NamedMatch"/> made ready. Immutable; a comparison allocates nothing.</summary>
internal sealed class NamedMatcher(NamedMatch match)
{
    private readonly byte[] _name = Encoding.UTF8.GetBytes(match.Name);
    private readonly TextMatcher _text = new(match.Match);
    private readonly bool _isInverted = match.IsInverted;

    /// <summary>Whether a header field fits. Several of the name count as one whose values are joined by commas, as in Envoy.</summary>
    public bool FitsHeader(IHeaderFields headers)
    {
        int first = Next(headers, 0);
        if (first < 0)
        {
            return Decide(false, default);
        }

        return Next(headers, first + 1) < 0 ? Decide(true, headers.Value(first)) : FitsJoined(headers, first);
    }

    /// <summary>Whether a query parameter fits.</summary>
    public bool FitsParameter(in RequestView request) => Decide(request.TryGetParameter(_name, out ReadOnlySpan<byte> value), value);

    // A value that is missing fits nothing; to an inverted match it is an empty one (semantics 6.2).
    private bool Decide(bool isThere, ReadOnlySpan<byte> value) => _text.Kind == StringMatchKind.Present ? isThere != _isInverted
        : (isThere || _isInverted) && _text.Fits(value) != _isInverted;

    private int Next(IHeaderFields headers, int from)
    {
        for (int i = from; i < headers.Count; i++)
        {
            if (Ascii.EqualsIgnoreCase(headers.Name(i), _name))
            {
                return i;
            }
        }

        return -1;
    }

    private bool FitsJoined(IHeaderFields headers, int first)
    {
        int length = 0;
        for (int i = first; i >= 0; i = Next(headers, i + 1))
        {
            length += headers.Value(i).Length + 1;
        }

        byte[] joined = ArrayPool<byte>.Shared.Rent(length);
        length = 0;
        for (int i = first; i >= 0; i = Next(headers, i + 1))
        {
            if (i != first)
            {
                joined[length++] = (byte)',';
            }

            headers.Value(i).CopyTo(joined.AsSpan(length));
            length += headers.Value(i).Length;
        }

        bool fits = Decide(true, joined.AsSpan(0, length));
        ArrayPool<byte>.Shared.Return(joined);
        return fits;
    }
}
