namespace Mesh.Proxy.Concurrency;

/// <summary>An adaptive limit has changed, and this is why.</summary>
/// <param name="At">Timestamp.</param>
/// <param name="From">Limit before.</param>
/// <param name="To">Limit now.</param>
/// <param name="Reason">
/// <c>slower</c>: answers take longer than usual, so it went down. <c>faster</c>: they took less time after it went down, so they had been waiting, and it goes on going down.
/// <c>no_faster</c>: they took no less time after it went down, so it goes back. <c>room</c>: it was used up and answers took no longer than usual, so it went up.
/// <c>trial</c>: it was used up and can't go up, so less was tried. <c>no_answers</c>: it went down, and then nothing answered while calls found no place, so it goes back.
/// </param>
/// <param name="Latency">Typical time of the latest answers: their geometric mean.</param>
/// <param name="Usual">The same over a long time.</param>
/// <param name="Answers">Answers that were measured.</param>
/// <param name="Active">Most calls under way meanwhile.</param>
internal sealed record LimitChange(long At, int From, int To, string Reason, TimeSpan Latency, TimeSpan Usual, int Answers, int Active);
