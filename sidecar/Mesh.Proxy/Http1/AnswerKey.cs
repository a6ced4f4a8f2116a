using System.Collections.Immutable;
using System.Text;
using Mesh.Proxy.Routing;

namespace Mesh.Proxy.Http1;

/// <summary>What an answer is the answer to: authority, target and the fields by which answers differ, as the upstream sees them. Reused; used by one exchange.</summary>
internal sealed class AnswerKey
{
    private const char Separator = '\n'; // which is in none of the parts
    private char[] _text = new char[256];
    private int _length;

    /// <summary>The key that was written last.</summary>
    public ReadOnlySpan<char> Text => _text.AsSpan(0, _length);

    /// <summary>Writes the key of <paramref name="request"/> as its route changes it.</summary>
    public void Write(RequestHead request, RequestEdits? edits, ImmutableArray<byte[]> vary)
    {
        _length = 0;
        Add(edits?.Authority is { } authority ? authority : request.Authority);
        foreach (ref char c in _text.AsSpan(0, _length))
        {
            c = char.ToLowerInvariant(c);
        }

        AddSeparator();
        Add(edits?.Target is { } target ? target : request.Path.IsEmpty ? "/"u8 : request.Path);
        foreach (byte[] name in vary)
        {
            AddSeparator();
            AddValues(request.Headers, name);
        }
    }

    /// <summary>All values of a field, as one list.</summary>
    public static string Values(HeaderBlock headers, ReadOnlySpan<byte> name)
    {
        AnswerKey list = new();
        list.AddValues(headers, name);
        return list.Text.ToString();
    }

    private void AddValues(HeaderBlock headers, ReadOnlySpan<byte> name)
    {
        bool isFirst = true;
        for (int i = 0; i < headers.Count; i++)
        {
            if (KnownHeaders.Is(headers.Name(i), name))
            {
                Add(isFirst ? default : ","u8);
                Add(headers.Value(i));
                isFirst = false;
            }
        }
    }

    private void AddSeparator()
    {
        Reserve(1);
        _text[_length++] = Separator;
    }

    private void Add(ReadOnlySpan<byte> bytes)
    {
        Reserve(bytes.Length);
        _length += Encoding.Latin1.GetChars(bytes, _text.AsSpan(_length));
    }

    private void Reserve(int length)
    {
        if (_text.Length - _length < length)
        {
            Array.Resize(ref _text, Math.Max(2 * _text.Length, _length + length));
        }
    }
}
