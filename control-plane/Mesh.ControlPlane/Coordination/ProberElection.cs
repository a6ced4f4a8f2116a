using Mesh.Rules.Snapshots;

namespace Mesh.ControlPlane.Coordination;

/// <summary>Says who tries while a shared circuit is half-open. Pure, but for chance where the rule asks for it.</summary>
internal static class ProberElection
{
    /// <summary>
    /// The callers that should try, never more than there are calls on trial. The rule chooses among those that have traffic now, else among those that have called before: another's turn
    /// could wait for ever. When those who were elected do not call, the next round takes as many others as there are calls, group by group, whatever the rule says of them.
    /// </summary>
    /// <param name="callers">The callers that are there.</param>
    /// <param name="config">The rule.</param>
    /// <param name="round">0 at first, one more each time that nobody called.</param>
    /// <param name="now">Time.</param>
    /// <param name="random">Chance.</param>
    public static CircuitCaller[] Elect(IEnumerable<CircuitCaller> callers, BreakerConfig config, int round, DateTimeOffset now, Random random)
    {
        CircuitCaller[] all = [.. callers];
        Array.Sort(all, static (left, right) => Reporter.Compare(left.Reporter, right.Reporter));
        if (all.Length == 0)
        {
            return [];
        }

        if (round > 0)
        {
            int groups = (all.Length + config.TrialCalls - 1) / config.TrialCalls;
            return [.. all.OrderByDescending(c => c.CallsNow(now)).Skip((round - 1) % groups * config.TrialCalls).Take(config.TrialCalls)];
        }

        CircuitCaller[] known = Some(all, static c => c.HasCalled);
        CircuitCaller[] trusted = Some(known, static c => !c.IsDoubted);
        return [.. Pick(Some(trusted, c => c.CallsNow(now)), config, random).Take(config.TrialCalls)];
    }

    // Those of whom it is true; all when it is true of none.
    private static CircuitCaller[] Some(CircuitCaller[] from, Predicate<CircuitCaller> isTrue) => Array.FindAll(from, isTrue) is { Length: > 0 } some ? some : from;

    private static IEnumerable<CircuitCaller> Pick(CircuitCaller[] from, BreakerConfig config, Random random)
    {
        switch (config.Probers)
        {
            case BreakerProbers.PerZone:
                return from.DistinctBy(static c => c.Reporter.Zone);
            case BreakerProbers.Random:
                random.Shuffle(from);
                return from.Take(config.ProberCount);
            case BreakerProbers.LowestLoad:
                return from.OrderBy(static c => c.Burden).Take(config.ProberCount);
            default:
                return from.Length == 1 ? from : [from[0], from[^1]];
        }
    }
}
