using System.Net;
using Mesh.Sidecar.Options;

namespace Mesh.Sidecar.Pod;

/// <summary>
/// The verbs that kubelet runs in the sidecar's own container. <c>wait</c> after its start: it ends when the sidecar is ready, and until then the application is not
/// started (semantics 9.5). <c>drain</c> before its end: the pod takes no more calls, the application may go on calling (9.6).
/// </summary>
/// <param name="options">What to ask.</param>
/// <param name="time">Clock.</param>
/// <param name="errors">Told of a failure; kubelet shows it as an event of the pod.</param>
internal sealed class HookCommand(HookOptions options, TimeProvider time, TextWriter errors)
{
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(250);
    private static readonly TimeSpan AttemptTimeout = TimeSpan.FromSeconds(1);

    /// <summary>Asks.</summary>
    /// <returns>Exit code: 0 when it is done, 1 when it cannot be had in time.</returns>
    public async Task<int> RunAsync()
    {
        using HttpMessageInvoker http = new(new SocketsHttpHandler { UseProxy = false, AllowAutoRedirect = false });
        using CancellationTokenSource end = new(options.Timeout, time);
        string? problem = await AskAsync(http, end.Token);
        while (problem is not null && !options.IsDrain && !end.IsCancellationRequested)
        {
            await Task.Delay(Pause, time, end.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            problem = await AskAsync(http, end.Token) is { } next ? end.IsCancellationRequested ? problem : next : null;
        }

        if (problem is not null)
        {
            await errors.WriteLineAsync($"{options.Url}: {problem}");
        }

        return problem is null ? 0 : 1;
    }

    private async Task<string?> AskAsync(HttpMessageInvoker http, CancellationToken end)
    {
        using CancellationTokenSource attempt = new(options.IsDrain ? options.Timeout : AttemptTimeout, time);
        using CancellationTokenSource either = CancellationTokenSource.CreateLinkedTokenSource(attempt.Token, end);
        using HttpRequestMessage request = new(options.IsDrain ? HttpMethod.Post : HttpMethod.Get, options.Url);
        try
        {
            using HttpResponseMessage answer = await http.SendAsync(request, either.Token);
            return answer.StatusCode == HttpStatusCode.OK ? null : $"answers {(int)answer.StatusCode}";
        }
        catch (Exception refusal) when (refusal is HttpRequestException or OperationCanceledException)
        {
            return refusal is HttpRequestException ? refusal.Message : "no answer in time";
        }
    }
}
