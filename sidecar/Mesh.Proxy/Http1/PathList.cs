using System.Collections.Immutable;
using System.Text;

namespace Mesh.Proxy.Http1;

/// <summary>Lists of paths as our own kinds have them: whole paths, or beginnings with a star at the end. Stateless, allocates nothing.</summary>
internal static class PathList
{
    /// <summary>Whether <paramref name="path"/>, whose query does not count, is one of <paramref name="paths"/>.</summary>
    public static bool Has(ImmutableArray<string> paths, ReadOnlySpan<byte> path)
    {
        ReadOnlySpan<byte> asked = WithoutQuery(path);
        foreach (string wanted in paths)
        {
            if (wanted.EndsWith('*') ? Begins(asked, wanted.AsSpan(0, wanted.Length - 1)) : Ascii.Equals(asked, wanted))
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>The path alone.</summary>
    public static ReadOnlySpan<byte> WithoutQuery(ReadOnlySpan<byte> path) => path.IndexOf((byte)'?') is >= 0 and int query ? path[..query] : path;

    private static bool Begins(ReadOnlySpan<byte> path, ReadOnlySpan<char> with) => path.Length >= with.Length && Ascii.Equals(path[..with.Length], with);
}
