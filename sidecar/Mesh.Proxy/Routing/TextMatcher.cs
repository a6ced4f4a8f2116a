using System.Buffers;
using System.Text;
using System.Text.RegularExpressions;
using Mesh.Rules.Snapshots;

namespace Mesh.Proxy.Routing;

/// <summary>A <see cref="StringMatch"/> made ready to be compared with bytes. Immutable; a comparison allocates nothing.</summary>
internal sealed class TextMatcher
{
    private const int StackChars = 256;
    private readonly byte[] _value;
    private readonly Regex? _regex;
    private readonly bool _ignoresCase;

    /// <param name="match">What is compared.</param>
    /// <param name="ignoresCase">Letters may differ in case (not in a regex).</param>
    public TextMatcher(StringMatch match, bool ignoresCase = false)
    {
        Kind = match.Kind;
        _value = Encoding.UTF8.GetBytes(match.Value);
        _regex = Kind == StringMatchKind.Regex ? RoutePattern.TryCreate($@"\A(?:{match.Value})\z") : null;
        _ignoresCase = ignoresCase;
    }

    /// <summary>How it compares.</summary>
    public StringMatchKind Kind { get; }

    /// <summary>Bytes of a prefix.</summary>
    public int Length => _value.Length;

    /// <summary>Null without a match.</summary>
    public static TextMatcher? Of(StringMatch? match, bool ignoresCase = false) => match is null ? null : new TextMatcher(match, ignoresCase);

    /// <summary>Whether <paramref name="text"/> fits.</summary>
    public bool Fits(ReadOnlySpan<byte> text) => Kind switch
    {
        StringMatchKind.Exact => Same(text),
        StringMatchKind.Prefix => text.Length >= _value.Length && Same(text[.._value.Length]),
        StringMatchKind.Regex => FitsRegex(text),
        _ => true,
    };

    private bool Same(ReadOnlySpan<byte> text) => _ignoresCase ? Ascii.EqualsIgnoreCase(text, _value) : text.SequenceEqual(_value);

    private bool FitsRegex(ReadOnlySpan<byte> text)
    {
        if (_regex is null)
        {
            return false;
        }

        char[]? rented = text.Length > StackChars ? ArrayPool<char>.Shared.Rent(text.Length) : null;
        Span<char> chars = rented ?? stackalloc char[StackChars];
        bool fits = _regex.IsMatch(chars[..Encoding.UTF8.GetChars(text, chars)]);
        if (rented is not null)
        {
            ArrayPool<char>.Shared.Return(rented);
        }

        return fits;
    }
}
