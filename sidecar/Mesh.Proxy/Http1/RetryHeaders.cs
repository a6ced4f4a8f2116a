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

    /// <summary>
    /// Whether a request is made for another one that a sidecar above sent: its application passes on the attempt count that it was called with, as it does with
    /// the headers of a trace. Whoever sent that one tries again, first attempt or not.
    /// </summary>
    public static bool IsMadeForAnother(HeaderBlock request) => request.Find(KnownHeader.EnvoyAttemptCount) >= 0;

    /// <summary>The fields that a request names in x-envoy-retriable-header-names; empty for none.</summary>
    public static ReadOnlySpan<byte> RetriableNames(HeaderBlock request)
    {
        int at = request.Find("x-envoy-retriable-header-names"u8);
        return at < 0 ? default : request.Value(at);
    }

    /// <summary>The condition by which <paramref name="answer"/> is to be tried again, or none.</summary>
    public static RetryConditions Decide(RetryState retry, ResponseHead answer, ReadOnlySpan<byte> retriableNames)
    {
        HeaderBlock headers = answer.Headers;
        int grpc = (retry.Conditions & RetryTable.Grpc) != 0 ? headers.Find("grpc-status"u8) : -1;
        AnswerFacts facts = new(
            answer.Status,
            IsRateLimited: false,
            (retry.Conditions & RetryConditions.RetriableHeaders) != 0 && HasAny(headers, retriableNames),
            grpc >= 0 && Utf8Parser.TryParse(headers.Value(grpc), out int code, out _) ? code : -1);
        RetryConditions matched = retry.OnAnswer(facts);
        // A limited rate forbids what other rows allow, or is a row of its own; where it could change nothing, which is the most often, nobody looks for it.
        bool matters = matched != RetryConditions.None || (retry.Conditions & RetryConditions.EnvoyRateLimited) != 0;
        return matters && headers.Find("x-envoy-ratelimited"u8) >= 0 ? retry.OnAnswer(facts with { IsRateLimited = true }) : matched;
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
