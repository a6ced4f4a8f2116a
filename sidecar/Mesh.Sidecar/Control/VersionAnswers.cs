using Mesh.Rules.Wire;

namespace Mesh.Sidecar.Control;

/// <summary>
/// The answers to versions. One that does not arrive is kept and said again, in the next session too: nobody asks for it twice. Only the newest is: it settles the ones
/// before it, and a control plane passes over what it has not sent or was answered already. Thread-safe.
/// </summary>
/// <param name="api">The calls.</param>
/// <param name="time">Clock of a Retry-After.</param>
internal sealed class VersionAnswers(ControlPlaneApi api, TimeProvider time)
{
    private volatile Unsaid? _unsaid;

    /// <summary>Says an answer, now or later.</summary>
    /// <returns>Why it could not be said now; null when it was.</returns>
    /// <exception cref="HttpRequestException">The control plane knows this sidecar no more, or does not let it in.</exception>
    public async Task<string?> SayAsync(string id, SidecarAck ack, CancellationToken stop)
    {
        _unsaid = null;
        try
        {
            await api.AckAsync(id, ack, stop);
            return null;
        }
        catch (Exception failure) when (failure is HttpRequestException or IOException or OperationCanceledException)
        {
            TimeSpan pause = (failure as ControlPlaneRefusal)?.RetryAfter ?? TimeSpan.Zero;
            Interlocked.CompareExchange(ref _unsaid, new Unsaid(ack, time.GetTimestamp(), pause), null); // unless a newer one waits by now
            if (failure is HttpRequestException passing && !ControlPlaneApi.EndsSession(passing))
            {
                return passing.Message;
            }

            throw;
        }
    }

    /// <summary>Says again what could not be said, unless the control plane asked for more time.</summary>
    /// <inheritdoc cref="SayAsync"/>
    public async Task<string?> SayAgainAsync(string id, CancellationToken stop) =>
        _unsaid is { } unsaid && time.GetElapsedTime(unsaid.FailedAt) >= unsaid.Pause && ReferenceEquals(Interlocked.CompareExchange(ref _unsaid, null, unsaid), unsaid)
            ? await SayAsync(id, unsaid.Ack, stop)
            : null;

    private sealed record Unsaid(SidecarAck Ack, long FailedAt, TimeSpan Pause);
}
