using Mesh.Rules.Snapshots;

namespace Mesh.ControlPlane.Coordination;

/// <summary>Says who tries while a shared circuit is half-open. Pure, but for chance where the rule asks for it.</summary>
internal static class ProberElection
{
    /// <summary>
    /// The callers that should try, never more than there are calls on trial. Who has called before comes first: another's turn could wait for ever. When those who were elected do not
    /// call, the next round takes as many others as there are calls, group by group, whatever the rule says of them.
    /// </summary>
    /// <param name="callers">The callers that are there.</param>
    /// <param name="config">The rule.</param>
    /// <param name="round">0 at first, one more each time that nobody called.</param>
    /// <param name="random">Chance.</param>
    public static CircuitCaller[] Elect(IEnumerable<CircuitCaller> callers, BreakerConfig config, int round, Random random)
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
            return [.. all.Skip((round - 1) % groups * config.TrialCalls).Take(config.TrialCalls)];
        }

        CircuitCaller[] known = Array.FindAll(all, static c => c.HasCalled);
        CircuitCaller[] trusted = Array.FindAll(known, static c => !c.IsDoubted);
        return [.. Pick(trusted.Length > 0 ? trusted : known.Length > 0 ? known : all, config, random).Take(config.TrialCalls)];
    }

    private static IEnumerable<CircuitCaller> Pick(CircuitCaller[] from, BreakerConfig config, Random random)
    {
        switch (config.Probers)
        {
            case BreakerProbers.PerZone:
                return from.DistinctBy(static c => c.Reporter.Zone);
            case BreakerProbers.Random:
                random.Shuffle(from);
                return from.Take(config.ProberCount);
            default:
                return from.Length == 1 ? from : [from[0], from[^1]];
        }
    }
}
