using System.Text;
using Mesh.Rules.Snapshots;

namespace Mesh.Proxy.Routing;

/// <summary>
/// Changes of header fields, boiled down to what is left out of the head as it came and the lines that follow it. Immutable; using it allocates nothing. Fields that
/// say where a message ends, or concern one connection only, are not a rule's to change.
/// </summary>
internal sealed class HeaderEdits
{
    private static readonly string[] Protected =
        ["connection", "content-length", "host", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"];

    private readonly byte[][] _dropped;
    private readonly byte[] _lines;

    private HeaderEdits(byte[][] dropped, byte[] lines) => (_dropped, _lines) = (dropped, lines);

    /// <summary>Lines to add, each with its end.</summary>
    public ReadOnlySpan<byte> Lines => _lines;

    /// <summary>Follows the changes of each level in turn, in each set, add, remove (semantics 6.3); null when nothing changes.</summary>
    public static HeaderEdits? Of(params ReadOnlySpan<HeaderChanges> levels)
    {
        List<string> dropped = [];
        List<KeyValuePair<string, string>> lines = [];
        foreach (HeaderChanges level in levels)
        {
            foreach (KeyValuePair<string, string> field in level.Set)
            {
                Drop(field.Key);
                lines.Add(field);
            }

            lines.AddRange(level.Add);
            foreach (string name in level.Remove)
            {
                Drop(name);
            }
        }

        dropped.RemoveAll(static n => !IsFree(n));
        lines.RemoveAll(static l => !IsFree(l.Key) || l.Value.AsSpan().ContainsAny('\r', '\n', '\0'));
        string text = string.Concat(lines.Select(static l => $"{l.Key}: {l.Value}\r\n"));
        return dropped.Count == 0 && lines.Count == 0 ? null : new HeaderEdits([.. dropped.Distinct().Select(Encoding.UTF8.GetBytes)], Encoding.UTF8.GetBytes(text));

        void Drop(string name)
        {
            dropped.Add(name);
            lines.RemoveAll(l => l.Key == name);
        }
    }

    /// <summary><paramref name="edits"/> with more lines behind its own.</summary>
    public static HeaderEdits With(HeaderEdits? edits, ReadOnlySpan<byte> lines) => new(edits?._dropped ?? [], [.. edits?._lines ?? [], .. lines]);

    /// <summary>Whether fields of this name, in any case, are left out.</summary>
    public bool Drops(ReadOnlySpan<byte> name)
    {
        foreach (byte[] dropped in _dropped)
        {
            if (Ascii.EqualsIgnoreCase(name, dropped))
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>Whether a line of this name, in any case, is added.</summary>
    public bool Adds(ReadOnlySpan<byte> name)
    {
        ReadOnlySpan<byte> lines = _lines;
        while (!lines.IsEmpty)
        {
            if (Ascii.EqualsIgnoreCase(name, lines[..lines.IndexOf((byte)':')]))
            {
                return true;
            }

            lines = lines[(lines.IndexOf((byte)'\n') + 1)..];
        }

        return false;
    }

    private static bool IsFree(string name) =>
        name.Length > 0 && !Protected.Contains(name) && name.All(static c => char.IsAsciiLetterOrDigit(c) || "!#$%&'*+-.^_`|~".Contains(c));
}
