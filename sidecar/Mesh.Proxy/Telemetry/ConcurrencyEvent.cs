namespace Mesh.Proxy.Telemetry;

/// <summary>An adaptive concurrency limit has changed.</summary>
/// <param name="Timestamp">When.</param>
/// <param name="Cluster">Cluster name.</param>
/// <param name="From">Limit before.</param>
/// <param name="To">Limit now.</param>
/// <param name="Reason"><c>slower</c>, <c>faster</c>, <c>no_faster</c>, <c>room</c>, <c>trial</c> or <c>no_answers</c>.</param>
/// <param name="Latency">Typical time of the latest answers: their geometric mean.</param>
/// <param name="Usual">The same over a long time.</param>
/// <param name="Answers">Answers that were measured.</param>
/// <param name="Active">Most calls under way meanwhile.</param>
/// <param name="Rule">Rule and path.</param>
public sealed record ConcurrencyEvent(
    DateTimeOffset Timestamp, string Cluster, int From, int To, string Reason, TimeSpan Latency, TimeSpan Usual, int Answers, int Active, string Rule)
{
    /// <summary>Why, in words for people.</summary>
    public string Why => Reason switch
    {
        "slower" => "answers take longer than usual",
        "faster" => "with the lower limit answers took less time, so calls had been waiting for each other",
        "no_faster" => "the lower limit made answers no faster, so calls had not been waiting for each other",
        "room" => "all places were in use and answers took no longer than usual",
        "no_answers" => "it was lower for a trial, and then nothing answered while calls found no place",
        _ => "all places were in use and there may be no more, so less is tried",
    };
}
