using System.Buffers.Text;
using System.Collections.Immutable;
using Mesh.Rules.Snapshots;

namespace Mesh.Proxy.Retry;

/// <summary>What a request asks for by its own header fields (semantics 4.1). The default asks for nothing.</summary>
/// <param name="Conditions">x-envoy-retry-on and x-envoy-retry-grpc-on; added to the route's.</param>
/// <param name="MaxRetries">x-envoy-max-retries; in place of the route's.</param>
/// <param name="StatusCodes">x-envoy-retriable-status-codes; added to the route's.</param>
/// <param name="Timeout">x-envoy-upstream-rq-timeout-ms; in place of the route's, zero for none.</param>
/// <param name="PerTryTimeout">x-envoy-upstream-rq-per-try-timeout-ms; in place of the route's.</param>
/// <param name="HasQuietTimeout">x-envoy-upstream-rq-timeout-alt-response: a timeout is answered with 204.</param>
internal readonly record struct RetryWish(
    RetryConditions Conditions = RetryConditions.None,
    int? MaxRetries = null,
    ImmutableArray<int> StatusCodes = default,
    TimeSpan? Timeout = null,
    TimeSpan? PerTryTimeout = null,
    bool HasQuietTimeout = false)
{
    private const int MaxCodes = 32;
    private static readonly (byte[] Token, RetryConditions Condition)[] Tokens =
    [
        ("5xx"u8.ToArray(), RetryConditions.ServerError),
        ("gateway-error"u8.ToArray(), RetryConditions.GatewayError),
        ("reset"u8.ToArray(), RetryConditions.Reset),
        ("reset-before-request"u8.ToArray(), RetryConditions.ResetBeforeRequest),
        ("connect-failure"u8.ToArray(), RetryConditions.ConnectFailure),
        ("retriable-4xx"u8.ToArray(), RetryConditions.Retriable4xx),
        ("refused-stream"u8.ToArray(), RetryConditions.RefusedStream),
        ("retriable-status-codes"u8.ToArray(), RetryConditions.StatusCodes),
        ("retriable-headers"u8.ToArray(), RetryConditions.RetriableHeaders),
        ("envoy-ratelimited"u8.ToArray(), RetryConditions.EnvoyRateLimited),
        ("cancelled"u8.ToArray(), RetryConditions.GrpcCancelled),
        ("deadline-exceeded"u8.ToArray(), RetryConditions.GrpcDeadlineExceeded),
        ("resource-exhausted"u8.ToArray(), RetryConditions.GrpcResourceExhausted),
        ("internal"u8.ToArray(), RetryConditions.GrpcInternal),
        ("unavailable"u8.ToArray(), RetryConditions.GrpcUnavailable),
    ];

    /// <summary>The wish with one more field in it; <paramref name="name"/> without its <c>x-envoy-</c>, in lower case or not. What cannot be read is passed over, as Envoy does.</summary>
    public RetryWish With(ReadOnlySpan<byte> name, ReadOnlySpan<byte> value)
    {
        if (Is(name, "retry-on"u8) || Is(name, "retry-grpc-on"u8))
        {
            return this with { Conditions = Conditions | ReadConditions(value) };
        }

        if (Is(name, "max-retries"u8))
        {
            return TryRead(value, out int most) ? this with { MaxRetries = most } : this;
        }

        if (Is(name, "retriable-status-codes"u8))
        {
            return this with { StatusCodes = ReadCodes(value) };
        }

        if (Is(name, "upstream-rq-timeout-ms"u8))
        {
            return TryRead(value, out int timeout) ? this with { Timeout = TimeSpan.FromMilliseconds(timeout) } : this;
        }

        if (Is(name, "upstream-rq-per-try-timeout-ms"u8))
        {
            return TryRead(value, out int perTry) ? this with { PerTryTimeout = TimeSpan.FromMilliseconds(perTry) } : this;
        }

        return Is(name, "upstream-rq-timeout-alt-response"u8) ? this with { HasQuietTimeout = true } : this;
    }

    private static RetryConditions ReadConditions(ReadOnlySpan<byte> list)
    {
        RetryConditions read = RetryConditions.None;
        foreach (Range part in list.Split((byte)','))
        {
            ReadOnlySpan<byte> token = list[part].Trim(" \t"u8);
            foreach ((byte[] name, RetryConditions condition) in Tokens)
            {
                read |= token.SequenceEqual(name) ? condition : RetryConditions.None;
            }
        }

        return read;
    }

    private static ImmutableArray<int> ReadCodes(ReadOnlySpan<byte> list)
    {
        ImmutableArray<int>.Builder codes = ImmutableArray.CreateBuilder<int>();
        foreach (Range part in list.Split((byte)','))
        {
            if (codes.Count < MaxCodes && TryRead(list[part].Trim(" \t"u8), out int code))
            {
                codes.Add(code);
            }
        }

        return codes.ToImmutable();
    }

    private static bool TryRead(ReadOnlySpan<byte> text, out int number) =>
        Utf8Parser.TryParse(text, out number, out int used) && used == text.Length && number >= 0;

    private static bool Is(ReadOnlySpan<byte> name, ReadOnlySpan<byte> other) => System.Text.Ascii.EqualsIgnoreCase(name, other);
}
