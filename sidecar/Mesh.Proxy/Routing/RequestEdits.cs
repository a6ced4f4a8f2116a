namespace Mesh.Proxy.Routing;

/// <summary>How a request leaves otherwise than it came. Immutable.</summary>
/// <param name="Headers">Changes of header fields; null for none.</param>
/// <param name="Authority">New authority; null leaves it.</param>
/// <param name="Target">New path and query; null leaves them.</param>
internal sealed record RequestEdits(HeaderEdits? Headers, byte[]? Authority, byte[]? Target = null)
{
    /// <summary>Most bytes that it adds to a head, the path of the request apart.</summary>
    public int Length => (Headers?.Lines.Length ?? 0) + (Authority?.Length ?? 0) + (Target?.Length ?? 0);

    /// <summary>Whether fields of this name, in any case, are left out.</summary>
    public bool Drops(ReadOnlySpan<byte> name) =>
        Headers?.Drops(name) == true || (Target is not null && System.Text.Ascii.EqualsIgnoreCase(name, "x-envoy-original-path"u8));

    /// <summary>Whether a field of this name, in any case, is added.</summary>
    public bool Adds(ReadOnlySpan<byte> name) => Headers?.Adds(name) == true;
}
