using Mesh.Proxy.Tests.Http1;

namespace Mesh.Proxy.Tests.Fuzz;

/// <summary>Makes new inputs of old ones: bytes and words that mean something to HTTP put in, taken out, doubled, swapped between inputs.</summary>
internal sealed class Mutator(IReadOnlyList<byte[]> seeds, IReadOnlyList<byte[]> corpus, Random random)
{
    private const int MaxBytes = 4096;
    private const int MostChanges = 6;
    private static readonly byte[] Special = "\r\n\t :;,/\\.%?#\"\0\v\f+-0159aAfFxX@[]\u007f"u8.ToArray().Append((byte)0xa0).ToArray();

    private static readonly byte[][] Words =
    [
        .. ((string[])
        [
            "\r\n", "\r\n\r\n", "\n\n", "\r\n ", "\r\n\t", "Content-Length: ", "Content-Length: 5\r\n", "Transfer-Encoding: chunked\r\n", "transfer-encoding:", "chunked", "Host: b.test\r\n",
            "Connection: ", "close", "keep-alive", "upgrade", "Upgrade: websocket\r\n", "h2c", "TE: trailers\r\n", "Expect: 100-continue\r\n", "HTTP/1.1", "HTTP/1.0", "HTTP/2.0", "0\r\n\r\n",
            "0\r\n", "3\r\nabc\r\n", "fffffffffffffff", "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n", "http://a.test", "/../", "/./", "..", "%2e", "%2F", "%00", "%", "//", "\\", "HEAD", "OPTIONS",
            "HTTP/1.1 200 OK\r\n", "HTTP/1.1 100 Continue\r\n\r\n", "204", "304", "101", "x-envoy-attempt-count: 9\r\n", "x-request-id: 1\r\n", ";a=b", "X-T: 1\r\n",
        ]).Select(Wire.Bytes),
    ];

    public byte[] Next()
    {
        byte[] input = Seed();
        for (int n = random.Next(MostChanges) + 1; n > 0; n--)
        {
            input = Change(input);
        }

        return input.Length > MaxBytes ? input[..MaxBytes] : input;
    }

    private byte[] Seed()
    {
        IReadOnlyList<byte[]> from = random.Next(2) == 0 ? seeds : corpus;
        return from[random.Next(from.Count)];
    }

    private byte[] Change(byte[] input)
    {
        int at = random.Next(input.Length + 1);
        int end = Math.Min(input.Length, at + 1 + random.Next(random.Next(4) == 0 ? 64 : 4));
        return random.Next(8) switch
        {
            0 => [.. input[..at], .. input[end..]],
            1 => [.. input[..at], Special[random.Next(Special.Length)], .. input[at..]],
            2 => [.. input[..at], .. Words[random.Next(Words.Length)], .. input[at..]],
            3 => [.. input[..at], .. Words[random.Next(Words.Length)], .. input[end..]],
            4 => [.. input[..end], .. input[at..]],
            5 when at < input.Length => [.. input[..at], (byte)random.Next(256), .. input[(at + 1)..]],
            6 => Splice(input, at),
            _ => SwapLines(input),
        };
    }

    private byte[] Splice(byte[] input, int at)
    {
        byte[] other = Seed();
        return [.. input[..at], .. other[random.Next(other.Length + 1)..]];
    }

    private byte[] SwapLines(byte[] input)
    {
        string[] lines = Wire.Text(input).Split("\r\n");
        int one = random.Next(lines.Length);
        int two = random.Next(lines.Length);
        (lines[one], lines[two]) = (lines[two], lines[one]);
        return Wire.Bytes(string.Join("\r\n", lines));
    }
}
