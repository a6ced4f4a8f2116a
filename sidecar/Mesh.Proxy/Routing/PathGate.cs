using System.Buffers.Binary;
using Mesh.Rules.Snapshots;

namespace Mesh.Proxy.Routing;

/// <summary>
/// A look at eight bytes of a path, which turns away most requests that a match does not fit before anything else of it is touched: with fifty routes only
/// the right one is looked into. Gates lie side by side in memory.
/// </summary>
internal readonly struct PathGate
{
    private const int Width = sizeof(ulong);
    private readonly int _length;
    private readonly ulong _mask;
    private readonly ulong _value;

    private PathGate(ReadOnlySpan<byte> text)
    {
        _length = text.Length;
        _mask = text.Length >= Width ? ulong.MaxValue : (1UL << (8 * text.Length)) - 1;
        _value = text.Length >= Width ? Read(text[^Width..]) : Head(text);
    }

    /// <summary>The gate of a match: open to all where the path is not compared byte by byte.</summary>
    public static PathGate Of(StringMatch? path, bool ignoresCase) =>
        path is { Kind: StringMatchKind.Exact or StringMatchKind.Prefix } && !ignoresCase ? new PathGate(System.Text.Encoding.UTF8.GetBytes(path.Value)) : default;

    /// <summary>The first eight bytes of <paramref name="path"/>, zeros after its end.</summary>
    public static ulong Head(ReadOnlySpan<byte> path)
    {
        if (path.Length >= Width)
        {
            return Read(path);
        }

        Span<byte> padded = stackalloc byte[Width];
        padded.Clear();
        path.CopyTo(padded);
        return Read(padded);
    }

    /// <summary>False when the match cannot fit; true when it must be looked at.</summary>
    /// <param name="path">Path of the request.</param>
    /// <param name="head">Its <see cref="Head"/>.</param>
    public bool LetsIn(ReadOnlySpan<byte> path, ulong head) =>
        path.Length >= _length && ((_length > Width ? Read(path[(_length - Width)..]) : head) & _mask) == _value;

    private static ulong Read(ReadOnlySpan<byte> bytes) => BinaryPrimitives.ReadUInt64LittleEndian(bytes);
}
