using System.Net;
using System.Text;
using Mesh.Proxy.Infrastructure;
using Mesh.Proxy.Upstream;
using Mesh.Rules.Snapshots;

namespace Mesh.Proxy.Http1;

/// <summary>The key by which consistent hashing chooses for a request. Stateless, allocates nothing.</summary>
internal static class RequestHash
{
    /// <summary>Hash of what <paramref name="by"/> names; null when the request has none of it.</summary>
    /// <param name="by">What counts.</param>
    /// <param name="request">The request.</param>
    /// <param name="client">Who sent it.</param>
    public static ulong? Of(HashConfig by, RequestHead request, EndPoint? client) => by.Source switch
    {
        HashKeySource.Header => OfHeader(request, by.Name),
        HashKeySource.Cookie => OfCookie(request.Headers, by.Name),
        HashKeySource.QueryParameter => OfParameter(request.Path, by.Name),
        _ => PickContext.OfSource(client).Hash,
    };

    private static ulong? OfHeader(RequestHead request, string name)
    {
        switch (name)
        {
            case ":authority":
                return XxHash64.Of(request.Authority);
            case ":path":
                return XxHash64.Of(request.Path);
            case ":method":
                return XxHash64.Of(request.Method);
        }

        ulong? hash = null;
        for (int i = 0; i < request.Headers.Count; i++)
        {
            if (Ascii.EqualsIgnoreCase(request.Headers.Name(i), name))
            {
                // Several fields of the name: each changes the key.
                hash = XxHash64.Of(request.Headers.Value(i), seed: hash ?? 0);
            }
        }

        return hash;
    }

    private static ulong? OfCookie(HeaderBlock headers, string name) =>
        RequestKey.TryCookie(headers, name, out ReadOnlySpan<byte> value) ? XxHash64.Of(value) : null;

    private static ulong? OfParameter(ReadOnlySpan<byte> path, string name)
    {
        int question = path.IndexOf((byte)'?');
        if (question < 0)
        {
            return null;
        }

        ReadOnlySpan<byte> query = path[(question + 1)..];
        foreach (Range part in query.Split((byte)'&'))
        {
            ReadOnlySpan<byte> pair = query[part];
            int equals = pair.IndexOf((byte)'=');
            if (Ascii.Equals(equals < 0 ? pair : pair[..equals], name))
            {
                return XxHash64.Of(equals < 0 ? default : pair[(equals + 1)..]);
            }
        }

        return null;
    }
}
