using Xunit;

namespace Mesh.Proxy.Tests.Component;

/// <summary>Loads that show a bound on retries; the pause before one is not over until the test says so.</summary>
internal static class RuleBudgets
{
    /// <summary>Ten requests at once, each of which fails and would be retried: how many are.</summary>
    public static async Task<int> RetriesOfTenAsync(RuleScene scene)
    {
        scene.Upstreams.IsManual = true;
        List<MemoryConnection> upstreams = [];
        for (int i = 0; i < 10; i++)
        {
            await scene.SendAsync();
            upstreams.Add((await scene.Upstreams.AcceptAsync()).Connection);
        }

        foreach (MemoryConnection upstream in upstreams)
        {
            await upstream.ReadHeadAsync();
            await upstream.SendAsync(AnsweringUpstreams.Text(500, ""));
        }

        long retries = scene.Clusters.Clusters.Sum(static c => c.Stats.RqRetry.Value);
        Assert.Equal(10 - retries, scene.Clusters.Clusters.Sum(static c => c.Stats.RqRetryOverflow.Value));
        return (int)retries;
    }

    /// <summary>Ten requests that are over, then one that fails and would be retried: whether it is.</summary>
    public static async Task<int> RetriesAfterTenAsync(RuleScene scene)
    {
        for (int i = 0; i < 10; i++)
        {
            await scene.CallAsync();
        }

        scene.Upstreams.Answer = static _ => AnsweringUpstreams.Text(500, "");
        MemoryConnection client = await scene.SendAsync();
        scene.Time.Advance(TimeSpan.FromSeconds(5));
        return (await scene.ReadAsync(client, 10)).Attempts.Length - 1;
    }
}
