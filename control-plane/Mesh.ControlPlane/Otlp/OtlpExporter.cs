using System.Globalization;
using System.Net.Http.Headers;
using System.Text;
using Microsoft.Extensions.Logging;

namespace Mesh.ControlPlane.Otlp;

/// <summary>
/// Sends the figures of shared circuits to a collector, one message at a time, from a loop of its own: a collector that is slow or gone holds up nothing but that loop. Nothing is queued: sums are
/// cumulative, so the next message says all that a lost one did. After a failure the pauses double, up to <see cref="LongestPause"/>.
/// </summary>
/// <param name="endpoint">The collector, <c>http://collector:4318</c>.</param>
/// <param name="take">Copies the figures; must not block for long.</param>
/// <param name="http">Carries the messages; the caller's.</param>
/// <param name="time">Clock.</param>
/// <param name="version">Version of this build.</param>
/// <param name="logger">Log.</param>
internal sealed partial class OtlpExporter(Uri endpoint, Func<IReadOnlyList<CircuitFigures>> take, HttpMessageInvoker http, TimeProvider time, string version, ILogger<OtlpExporter> logger)
{
    /// <summary>Time between two messages.</summary>
    public static readonly TimeSpan Interval = TimeSpan.FromSeconds(10);

    /// <summary>Longest time between two tries.</summary>
    public static readonly TimeSpan LongestPause = TimeSpan.FromMinutes(5);

    private static readonly TimeSpan Longest = TimeSpan.FromSeconds(5); // that one message may take
    private long _sent;
    private long _failed;
    private string? _trouble;

    /// <summary>Where messages go.</summary>
    public Uri Address { get; } = new(endpoint.AbsoluteUri.TrimEnd('/') + "/v1/metrics");

    /// <summary>Messages that were taken.</summary>
    public long Sent => Volatile.Read(ref _sent);

    /// <summary>Messages that were not.</summary>
    public long Failed => Volatile.Read(ref _failed);

    /// <summary>Sends until <paramref name="stop"/>.</summary>
    public async Task RunAsync(CancellationToken stop)
    {
        TimeSpan pause = Interval;
        while (!stop.IsCancellationRequested)
        {
            await Task.Delay(pause, time, stop).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            IReadOnlyList<CircuitFigures> figures = stop.IsCancellationRequested ? [] : take();
            if (figures.Count == 0)
            {
                continue; // nothing is shared
            }

            (string? problem, TimeSpan asked) = await SendAsync(OtlpMessage.Write(figures, version, time.GetUtcNow()), stop);
            if (!stop.IsCancellationRequested)
            {
                pause = Note(problem) ? Interval : Min(LongestPause, Max(asked, pause * 2));
            }
        }
    }

    /// <summary>Adds how it does.</summary>
    public void Write(StringBuilder page)
    {
        page.Append("# HELP mesh_otlp_messages_total Messages to the OTLP collector.\n# TYPE mesh_otlp_messages_total counter\n");
        page.Append(CultureInfo.InvariantCulture, $"mesh_otlp_messages_total{{result=\"sent\"}} {Sent}\nmesh_otlp_messages_total{{result=\"failed\"}} {Failed}\n");
    }

    private static TimeSpan Min(TimeSpan left, TimeSpan right) => left < right ? left : right;

    private static TimeSpan Max(TimeSpan left, TimeSpan right) => left > right ? left : right;

    // A change is worth a line, not each try.
    private bool Note(string? problem)
    {
        Interlocked.Increment(ref problem is null ? ref _sent : ref _failed);
        if (problem != _trouble)
        {
            _trouble = problem;
            if (problem is null)
            {
                LogWell(Address);
            }
            else
            {
                LogTrouble(Address, problem);
            }
        }

        return problem is null;
    }

    private async Task<(string? Problem, TimeSpan Asked)> SendAsync(byte[] message, CancellationToken stop)
    {
        using CancellationTokenSource late = new(Longest, time);
        using CancellationTokenSource end = CancellationTokenSource.CreateLinkedTokenSource(late.Token, stop);
        try
        {
            using HttpRequestMessage request = new(HttpMethod.Post, Address) { Content = new ByteArrayContent(message) };
            request.Content.Headers.ContentType = new MediaTypeHeaderValue("application/json");
            using HttpResponseMessage answer = await http.SendAsync(request, end.Token);
            return answer.IsSuccessStatusCode ? (null, TimeSpan.Zero) : ($"it answers {(int)answer.StatusCode}", answer.Headers.RetryAfter?.Delta ?? TimeSpan.Zero);
        }
        catch (OperationCanceledException)
        {
            return ($"no answer within {Longest.TotalSeconds} s", TimeSpan.Zero);
        }
        catch (HttpRequestException failure)
        {
            return ((failure.InnerException ?? failure).Message, TimeSpan.Zero);
        }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "--otlp-endpoint: {Address} takes no metrics: {Problem}; tried again, ever more seldom")]
    private partial void LogTrouble(Uri address, string problem);

    [LoggerMessage(Level = LogLevel.Information, Message = "--otlp-endpoint: {Address} takes the metrics of shared circuits")]
    private partial void LogWell(Uri address);
}
