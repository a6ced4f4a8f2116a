using System.Net;
using System.Net.Sockets;

namespace Mesh.Soak;

/// <summary>Sends one request of a random kind and checks that the answer is its own.</summary>
internal sealed class SoakClient : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(3);
    private readonly HttpClient _http;
    private readonly int _tcpPort;
    private readonly Tally _tally;
    private readonly TimeProvider _time;
    private long _nextId;

    public SoakClient(Uri proxy, int tcpPort, Tally tally, TimeProvider time)
    {
        _http = new HttpClient(new SocketsHttpHandler { Proxy = new WebProxy(proxy), UseCookies = false, AllowAutoRedirect = false })
        {
            Timeout = Timeout.InfiniteTimeSpan,
        };
        (_tcpPort, _tally, _time) = (tcpPort, tally, time);
    }

    public void Dispose() => _http.Dispose();

    /// <summary>80 % reads, 8 % chunked uploads, 6 % connections of one request, 3 % clients that go away, 3 % TCP.</summary>
    public Task OneAsync(Random random)
    {
        string id = "r" + Interlocked.Increment(ref _nextId);
        return random.Next(100) switch
        {
            < 80 => HttpAsync(id, random.Next(100, 4000), null, close: false, Patience, mayLeave: false),
            < 88 => HttpAsync(id, 0, SoakUpstream.Item(id, random.Next(1, 256 * 1024)), close: false, Patience, mayLeave: false),
            < 94 => HttpAsync(id, random.Next(100, 4000), null, close: true, Patience, mayLeave: false),
            < 97 => HttpAsync(id, 1 << 20, null, close: false, TimeSpan.FromMilliseconds(random.Next(1, 20)), mayLeave: true),
            _ => TcpAsync(id, random.Next(1, 64 * 1024), resets: random.Next(4) == 0),
        };
    }

    private async Task HttpAsync(string id, int size, byte[]? upload, bool close, TimeSpan patience, bool mayLeave)
    {
        using CancellationTokenSource limit = new(patience, _time);
        using HttpRequestMessage request = new(
            upload is null ? HttpMethod.Get : HttpMethod.Post,
            upload is null ? $"http://{SoakWorld.Host}/item/{id}?size={size}" : $"http://{SoakWorld.Host}/echo/{id}");
        request.Headers.ConnectionClose = close;
        if (upload is not null)
        {
            request.Content = new ByteArrayContent(upload);
            request.Headers.TransferEncodingChunked = true;
        }

        bool answered = false;
        try
        {
            using HttpResponseMessage answer = await _http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, limit.Token);
            answered = true;
            byte[] body = await answer.Content.ReadAsByteArrayAsync(limit.Token);
            Check(id, answer, body, upload ?? SoakUpstream.Item(id, size));
        }
        catch (OperationCanceledException) when (limit.IsCancellationRequested)
        {
            _tally.Add(mayLeave ? "went away" : "gave up waiting");
        }
        catch (Exception e) when (e is HttpRequestException or IOException)
        {
            Broken(e, answered, upload is not null);
        }
    }

    // A killed upstream may cut an answer or an upload short; a request without a body always gets an answer.
    private void Broken(Exception e, bool answered, bool isUpload)
    {
        if (answered || isUpload)
        {
            _tally.Add(answered ? "answer cut" : "upload cut");
        }
        else
        {
            _tally.Wrong($"no answer: {e.Message} {e.InnerException?.Message}");
        }
    }

    private void Check(string id, HttpResponseMessage answer, byte[] body, byte[] wanted)
    {
        if ((int)answer.StatusCode >= 500)
        {
            _tally.Add($"{(int)answer.StatusCode}");
        }
        else if (answer.StatusCode != HttpStatusCode.OK || !answer.Headers.TryGetValues("x-id", out IEnumerable<string>? ids) || ids.Single() != id)
        {
            _tally.Wrong($"{id}: {answer.StatusCode}, x-id {answer.Headers.GetValues("x-id").FirstOrDefault()}");
        }
        else if (!body.AsSpan().SequenceEqual(wanted))
        {
            _tally.Wrong($"{id}: {body.Length} bytes, not the {wanted.Length} asked for");
        }
        else
        {
            _tally.Add("right");
        }
    }

    private async Task TcpAsync(string id, int size, bool resets)
    {
        using CancellationTokenSource limit = new(Patience, _time);
        using Socket socket = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        byte[] sent = SoakUpstream.Item(id, size);
        byte[] got = new byte[sent.Length];
        int read = 0;
        try
        {
            await socket.ConnectAsync(IPAddress.Loopback, _tcpPort, limit.Token);
            if (resets)
            {
                socket.LingerState = new LingerOption(true, 0);
                await socket.SendAsync(sent, limit.Token);
                _tally.Add("tcp reset by us");
                return;
            }

            Task<int> sending = socket.SendAsync(sent, limit.Token).AsTask();
            while (read < got.Length && await socket.ReceiveAsync(got.AsMemory(read), limit.Token) is > 0 and int part)
            {
                read += part;
            }

            await sending;
        }
        catch (Exception e) when (e is SocketException or OperationCanceledException)
        {
            // What arrived until then counts.
        }

        if (!got.AsSpan(0, read).SequenceEqual(sent.AsSpan(0, read)))
        {
            _tally.Wrong($"{id}: TCP bytes of somebody else");
        }
        else
        {
            _tally.Add(read == sent.Length ? "tcp right" : "tcp cut");
        }
    }
}
