using System.Globalization;
using System.Net.Sockets;
using System.Text;
using Mesh.Load.Measuring;

namespace Mesh.Lab.World;

/// <summary>One upload as its caller saw it.</summary>
/// <param name="Code">Status; 0 when there was no answer.</param>
/// <param name="Reason">First word of <c>x-mesh-reason</c>, or null.</param>
/// <param name="Outcome">Value of <c>x-mesh-outcome</c>, or null.</param>
/// <param name="Took">From the first byte sent to the head of the answer, or to the caller's giving up.</param>
internal sealed record Upload(int Code, string? Reason, string? Outcome, TimeSpan Took);

/// <summary>
/// Callers that send a large body through a sidecar and listen while they send, as curl does: an HTTP client that first sends everything would not
/// hear an answer that comes in the middle.
/// </summary>
/// <param name="proxy">The sidecar's outbound listener.</param>
/// <param name="url">Where to.</param>
/// <param name="bytes">Length of each body.</param>
/// <param name="patience">A caller without an answer gives up after this time.</param>
/// <param name="time">Clock.</param>
internal sealed class Uploads(Uri proxy, Uri url, long bytes, TimeSpan patience, TimeProvider time)
{
    private const int MostHeadBytes = 16 * 1024;
    private static readonly byte[] Block = new byte[64 * 1024];

    /// <summary>Sends so many at once, and waits for all.</summary>
    public async Task<IReadOnlyList<Upload>> RunAsync(int callers, CancellationToken stop) =>
        await Task.WhenAll(Enumerable.Range(0, callers).Select(_ => SendAsync(stop)));

    /// <summary>The uploads as a load report, for the tables.</summary>
    public static LoadReport Report(IReadOnlyList<Upload> uploads)
    {
        LoadRecorder recorder = new();
        foreach (Upload upload in uploads)
        {
            recorder.Add(new LoadSample(upload.Code, 0, upload.Reason, false, upload.Code == 0 ? "Timeout" : null, upload.Took));
        }

        return recorder.Report(uploads.Max(static u => u.Took), 0);
    }

    /// <summary>Reads status, reason and outcome from the head of an answer; status 0 when it is none.</summary>
    internal static Upload Parse(string head, TimeSpan took)
    {
        string[] lines = head.Split("\r\n");
        string[] status = lines[0].Split(' ');
        int code = status.Length > 1 && int.TryParse(status[1], NumberStyles.None, CultureInfo.InvariantCulture, out int number) ? number : 0;
        return new Upload(code, Value("x-mesh-reason:")?.Split(';', ' ')[0], Value("x-mesh-outcome:"), took);

        string? Value(string name) => lines.FirstOrDefault(l => l.StartsWith(name, StringComparison.OrdinalIgnoreCase))?[name.Length..].Trim();
    }

    private async Task<Upload> SendAsync(CancellationToken stop)
    {
        using CancellationTokenSource limit = new(patience, time);
        using CancellationTokenSource end = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, stop);
        using TcpClient connection = new();
        await connection.ConnectAsync(proxy.Host, proxy.Port, end.Token);
        long start = time.GetTimestamp();
        Task body = SendBodyAsync(connection.GetStream(), end.Token);
        string head = await ReadHeadAsync(connection.GetStream(), end.Token);
        TimeSpan took = time.GetElapsedTime(start);
        await end.CancelAsync();
        await body;
        stop.ThrowIfCancellationRequested();
        return Parse(head, took);
    }

    private async Task SendBodyAsync(NetworkStream stream, CancellationToken end)
    {
        byte[] head = Encoding.ASCII.GetBytes(string.Create(
            CultureInfo.InvariantCulture, $"POST {url} HTTP/1.1\r\nHost: {url.Authority}\r\nContent-Type: application/json\r\nContent-Length: {bytes}\r\n\r\n"));
        try
        {
            await stream.WriteAsync(head, end);
            for (long left = bytes; left > 0; left -= Math.Min(left, Block.Length))
            {
                await stream.WriteAsync(Block.AsMemory(0, (int)Math.Min(left, Block.Length)), end);
            }
        }
        catch (Exception e) when (e is IOException or OperationCanceledException)
        {
            // The answer came first, or the caller gave up: what was read says which.
        }
    }

    private static async Task<string> ReadHeadAsync(NetworkStream stream, CancellationToken end)
    {
        byte[] buffer = new byte[MostHeadBytes];
        int length = 0;
        try
        {
            for (int read = -1; read != 0 && length < buffer.Length; length += read)
            {
                if (buffer.AsSpan(0, length).IndexOf("\r\n\r\n"u8) is >= 0 and int headEnd)
                {
                    return Encoding.Latin1.GetString(buffer, 0, headEnd);
                }

                read = await stream.ReadAsync(buffer.AsMemory(length), end);
            }
        }
        catch (Exception e) when (e is IOException or OperationCanceledException)
        {
            // No answer.
        }

        return "";
    }
}
