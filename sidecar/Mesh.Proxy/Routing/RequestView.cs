namespace Mesh.Proxy.Routing;

/// <summary>Header fields of a message, in their order.</summary>
internal interface IHeaderFields
{
    /// <summary>Number of fields.</summary>
    int Count { get; }

    /// <summary>Name of a field as sent.</summary>
    ReadOnlySpan<byte> Name(int index);

    /// <summary>Value of a field.</summary>
    ReadOnlySpan<byte> Value(int index);
}

/// <summary>What routes look at of a request. Its bytes are the request's own.</summary>
internal readonly ref struct RequestView
{
    /// <param name="method">Method.</param>
    /// <param name="target">Path with its query; empty for CONNECT.</param>
    /// <param name="authority">Authority.</param>
    /// <param name="scheme">Scheme.</param>
    /// <param name="headers">Header fields.</param>
    public RequestView(ReadOnlySpan<byte> method, ReadOnlySpan<byte> target, ReadOnlySpan<byte> authority, ReadOnlySpan<byte> scheme, IHeaderFields headers)
    {
        int query = target.IndexOf((byte)'?');
        Path = query < 0 ? target : target[..query];
        Query = query < 0 ? default : target[query..];
        Path = Path.IsEmpty && !method.SequenceEqual("CONNECT"u8) ? "/"u8 : Path; // an absolute-form target may lack it
        Method = method;
        Authority = authority;
        Scheme = scheme;
        Headers = headers;
    }

    /// <summary>Method.</summary>
    public ReadOnlySpan<byte> Method { get; }

    /// <summary>Path without its query.</summary>
    public ReadOnlySpan<byte> Path { get; }

    /// <summary>Query with its question mark, or empty.</summary>
    public ReadOnlySpan<byte> Query { get; }

    /// <summary>Authority.</summary>
    public ReadOnlySpan<byte> Authority { get; }

    /// <summary>Scheme.</summary>
    public ReadOnlySpan<byte> Scheme { get; }

    /// <summary>Header fields.</summary>
    public IHeaderFields Headers { get; }

    /// <summary>The first value of query parameter <paramref name="name"/>, not decoded, as Envoy takes it; false without one.</summary>
    public bool TryGetParameter(ReadOnlySpan<byte> name, out ReadOnlySpan<byte> value)
    {
        ReadOnlySpan<byte> rest = Query;
        while (!rest.IsEmpty)
        {
            rest = rest[1..]; // the mark before it
            int end = rest.IndexOf((byte)'&');
            ReadOnlySpan<byte> pair = end < 0 ? rest : rest[..end];
            rest = end < 0 ? default : rest[end..];
            int equals = pair.IndexOf((byte)'=');
            if ((equals < 0 ? pair : pair[..equals]).SequenceEqual(name))
            {
                value = equals < 0 ? default : pair[(equals + 1)..];
                return true;
            }
        }

        value = default;
        return false;
    }
}
