using System.Buffers;
using System.Buffers.Text;
using System.Collections.Immutable;

namespace Mesh.Proxy.Http1;

/// <summary>Which answers may be kept and given to others (RFC 9111, 3), and what of their heads. Stateless.</summary>
internal static class GoodAnswer
{
    /// <summary>Whether an answer to this request is everybody's: it carries no credentials, or they do not matter.</summary>
    public static bool IsPublic(RequestHead request, bool isShared) =>
        isShared || (request.Headers.Find("authorization"u8) < 0 && request.Headers.Find("cookie"u8) < 0);

    /// <summary>Whether the fields of request and answer let it be kept.</summary>
    /// <param name="request">Fields of the request.</param>
    /// <param name="answer">Fields of the answer.</param>
    /// <param name="vary">Fields by which answers are told apart.</param>
    public static bool MayBeKept(HeaderBlock request, HeaderBlock answer, ImmutableArray<byte[]> vary) =>
        !Lists(request, "cache-control"u8, "no-store"u8) && !Lists(answer, "cache-control"u8, "no-store"u8) && !Lists(answer, "cache-control"u8, "private"u8)
        && answer.Find("set-cookie"u8) < 0 && answer.Find("x-mesh-fallback"u8) < 0 && VariesBy(answer, vary);

    /// <summary>Age that the answer came with, in seconds; 0 when it says none.</summary>
    public static long AgeOf(HeaderBlock answer) =>
        answer.Find("age"u8) is >= 0 and int at && Utf8Parser.TryParse(answer.Value(at), out uint age, out int used) && used == answer.Value(at).Length ? age : 0;

    /// <summary>The lines that are kept: neither what concerns one connection or one way of sending it, nor what is said anew each time.</summary>
    public static byte[] LinesOf(ResponseHead answer)
    {
        ArrayBufferWriter<byte> lines = new(answer.Length);
        HeaderBlock headers = answer.Headers;
        for (int i = 0; i < headers.Count; i++)
        {
            ReadOnlySpan<byte> name = headers.Name(i);
            bool isKept = headers.Kind(i) is not (KnownHeader.Connection or KnownHeader.KeepAlive or KnownHeader.ProxyConnection or KnownHeader.NamedByConnection or KnownHeader.TransferEncoding
                or KnownHeader.Te or KnownHeader.Upgrade or KnownHeader.ContentLength or KnownHeader.EnvoyUpstreamServiceTime or KnownHeader.EnvoyOverloaded);
            if (isKept && !KnownHeaders.Is(name, "age"u8) && !KnownHeaders.Is(name, "trailer"u8))
            {
                lines.Write(name);
                lines.Write(": "u8);
                lines.Write(headers.Value(i));
                lines.Write("\r\n"u8);
            }
        }

        return lines.WrittenSpan.ToArray();
    }

    // An answer that differs by what the key does not hold could be given to whom it is wrong for.
    private static bool VariesBy(HeaderBlock answer, ImmutableArray<byte[]> known)
    {
        for (int i = 0; i < answer.Count; i++)
        {
            if (!KnownHeaders.Is(answer.Name(i), "vary"u8))
            {
                continue;
            }

            ReadOnlySpan<byte> value = answer.Value(i);
            foreach (Range part in value.Split((byte)','))
            {
                ReadOnlySpan<byte> name = value[part].Trim(" \t"u8);
                if (!name.IsEmpty && !Contains(known, name))
                {
                    return false;
                }
            }
        }

        return true;
    }

    private static bool Contains(ImmutableArray<byte[]> names, ReadOnlySpan<byte> name)
    {
        foreach (byte[] known in names)
        {
            if (KnownHeaders.Is(name, known))
            {
                return true;
            }
        }

        return false;
    }

    private static bool Lists(HeaderBlock headers, ReadOnlySpan<byte> name, ReadOnlySpan<byte> directive)
    {
        for (int i = 0; i < headers.Count; i++)
        {
            if (!KnownHeaders.Is(headers.Name(i), name))
            {
                continue;
            }

            ReadOnlySpan<byte> value = headers.Value(i);
            foreach (Range part in value.Split((byte)','))
            {
                ReadOnlySpan<byte> element = value[part];
                int argument = element.IndexOf((byte)'=');
                if (KnownHeaders.Is((argument < 0 ? element : element[..argument]).Trim(" \t"u8), directive))
                {
                    return true;
                }
            }
        }

        return false;
    }
}
