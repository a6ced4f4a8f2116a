using System.Buffers.Text;
using System.Globalization;
using System.Text;
using Mesh.Proxy.Retry;
using Mesh.Rules.Snapshots;

namespace Mesh.Proxy.Http1;

/// <summary>What header fields say of retries: the wishes of a request, the facts of an answer. Only what somebody asks for is looked for. Stateless.</summary>
internal static class RetryHeaders
{
    /// <summary>What a request asks for.</summary>
    public static RetryWish ReadWish(HeaderBlock request)
    {
        RetryWish wish = default;
        for (int i = request.Find(KnownHeader.EnvoyControl); i >= 0; i = request.Find(KnownHeader.EnvoyControl, i + 1))
        {
            wish = wish.With(request.Name(i)["x-envoy-".Length..], request.Value(i));
        }

        return wish;
    }

    /// <summary>Whether a request is a retry of its caller.</summary>
    public static bool IsRetry(HeaderBlock request)
    {
        int at = request.Find(KnownHeader.EnvoyAttemptCount);
        return at >= 0 && Utf8Parser.TryParse(request.Value(at), out int attempt, out _) && attempt > 1;
    }

    /// <summary>The fields that a request names in x-envoy-retriable-header-names; empty for none.</summary>
    public static ReadOnlySpan<byte> RetriableNames(HeaderBlock request)
    {
        int at = request.Find("x-envoy-retriable-header-names"u8);
        return at < 0 ? default : request.Value(at);
    }

    /// <summary>What the tables need to know of an answer.</summary>
    public static AnswerFacts Read(ResponseHead answer, RetryConditions conditions, ReadOnlySpan<byte> retriableNames)
    {
        HeaderBlock headers = answer.Headers;
        int grpc = (conditions & RetryTable.Grpc) != 0 ? headers.Find("grpc-status"u8) : -1;
        return new AnswerFacts(
            answer.Status,
            headers.Find("x-envoy-ratelimited"u8) >= 0,
            (conditions & RetryConditions.RetriableHeaders) != 0 && HasAny(headers, retriableNames),
            grpc >= 0 && Utf8Parser.TryParse(headers.Value(grpc), out int code, out _) ? code : -1);
    }

    /// <summary>What Retry-After says, seconds or a date; null when there is none that can be read.</summary>
    public static TimeSpan? RetryAfter(HeaderBlock answer, DateTimeOffset now)
    {
        int at = answer.Find("retry-after"u8);
        if (at < 0)
        {
            return null;
        }

        ReadOnlySpan<byte> text = answer.Value(at);
        if (Utf8Parser.TryParse(text, out uint seconds, out int used) && used == text.Length)
        {
            return TimeSpan.FromSeconds(seconds);
        }

        bool isDate = DateTimeOffset.TryParseExact(
            Encoding.ASCII.GetString(text), "r", CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out DateTimeOffset until);
        return !isDate ? null : until > now ? until - now : TimeSpan.Zero;
    }

    private static bool HasAny(HeaderBlock headers, ReadOnlySpan<byte> names)
    {
        foreach (Range part in names.Split((byte)','))
        {
            ReadOnlySpan<byte> name = names[part].Trim(" \t"u8);
            if (!name.IsEmpty && headers.Find(name) >= 0)
            {
                return true;
            }
        }

        return false;
    }
}
