namespace Mesh.Proxy.Tests.Component;

/// <summary>What the tests of circuit breakers share: a small one for b.test, and calls to it.</summary>
internal static class BreakerCalls
{
    public const string Small = "host: b.test\nslidingWindowSize: 4\nminimumNumberOfCalls: 4\npermittedNumberOfCallsInHalfOpenState: 2\n";

    public static void Answer(RuleScene scene, int status) => scene.Upstreams.Answer = _ => AnsweringUpstreams.Text(status, "");

    public static async Task<string> CallsAsync(RuleScene scene, int count)
    {
        List<int> statuses = [];
        for (int i = 0; i < count; i++)
        {
            statuses.Add((await scene.CallAsync(host: "b.test")).Status);
        }

        return string.Join(' ', statuses);
    }
}
