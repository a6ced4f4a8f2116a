using System.Text.Json;
using Mesh.Rules.Wire;
using Xunit;

namespace Mesh.Integration.Tests.Shares;

/// <summary>A limit for each user over all sidecars (control-plane/adr/0048): the limiters of five sidecars and the control plane that gives out shares, 20 a second and user.</summary>
public sealed class KeyShareTests
{
    private const int Tokens = 20;

    [Fact]
    public void UserOfOneSidecar_HasNearlyAllOfItsTokens()
    {
        KeyShareScene scene = new(5, Tokens);
        scene.Run(TimeSpan.FromSeconds(10), static (s, at) =>
        {
            s.Call(0, "ann");
            s.Call(at % 5, $"other{at % 50}");
        });

        Assert.InRange(scene.Passed("ann", since: 5), Tokens * 5 * 0.95, (Tokens * 5) + 1); // a new control plane gives nothing out for a lease
    }

    [Fact]
    public void UserOfAllSidecars_HasItsTokensOnce()
    {
        KeyShareScene scene = new(5, Tokens);
        scene.Run(TimeSpan.FromSeconds(8), static (s, at) => s.Call(at % 5, "ann"));

        Assert.InRange(scene.Passed("ann", since: 3), Tokens * 5 * 0.85, Tokens * 5 * 1.1);
    }

    [Fact]
    public void UserThatMoves_TakesItsShareAlong()
    {
        KeyShareScene scene = new(5, Tokens);
        scene.Run(TimeSpan.FromSeconds(8), static (s, _) => s.Call(0, "ann"));
        scene.Run(TimeSpan.FromSeconds(8), static (s, _) => s.Call(3, "ann"));

        Assert.InRange(scene.Passed("ann", since: 3), Tokens * 5 * 0.85, (Tokens * 5) + 1);
    }

    [Fact]
    public void UsersThatAskForLessThanTheirPart_AreNeverRefused_AndNeverReported()
    {
        KeyShareScene scene = new(5, Tokens);
        scene.Run(TimeSpan.FromSeconds(4), static (s, at) => s.Call(at % 5, $"{at}"));
        int before = scene.Refused;
        scene.Run(TimeSpan.FromSeconds(8), static (s, at) => s.Call(at % 5, $"user{at % 50}")); // two a second each, and a part is four

        Assert.Equal((0, 0), (scene.Refused - before, scene.LongestReport - 1));
    }

    [Fact]
    public void MoreGreedyUsersThanAReportHolds_EachStillHasItsPart()
    {
        KeyShareScene scene = new(2, Tokens);
        scene.Run(TimeSpan.FromSeconds(6), static (s, at) =>
        {
            for (int user = 0; user < 100; user++)
            {
                s.Call(user % 2 == 0 ? 0 : at % 2, $"user{user}"); // 100 a second each
            }
        });

        Assert.Equal(Proxy.RateLimits.SharedKeys.Most, scene.LongestReport); // the limit itself, and all but the one that makes room
        Assert.All(Enumerable.Range(0, 100), user => Assert.InRange(scene.Passed($"user{user}", since: 3), (Tokens / 2 * 3) - 1, Tokens * 2 * 3 * 1.1));
    }

    [Fact]
    public void Report_NamesNoUser()
    {
        KeyShareScene scene = new(1, Tokens);
        scene.Run(TimeSpan.FromSeconds(1), static (s, _) => s.Call(0, "ann@example.com"));

        SidecarReport report = scene.Report(0);
        string text = JsonSerializer.Serialize(report, WireJson.Default.SidecarReport);
        Assert.Equal(["", "0d"], report.Limits.Select(static l => l.Key.Length == 0 ? "" : "0d"));
        Assert.DoesNotContain("ann", text, StringComparison.Ordinal);
        Assert.Equal(32, report.Limits[1].Key.Length);
    }

    /// <summary>Orders are late, lost and overtaken, sidecars come and go. In no stretch of time does a user pass more than twice what is its own, and the bursts.</summary>
    [Theory]
    [InlineData(1, 20)]
    [InlineData(2, 20)]
    [InlineData(3, 3)]
    [InlineData(4, 60)]
    [InlineData(5, 1)]
    public void RandomHistory_NeverMoreThanTwiceTheTokens(int seed, int tokens)
    {
        KeyShareScene scene = new(3, tokens);
        Random dice = new(seed);
        for (int step = 0; step < 20_000; step++)
        {
            switch (dice.Next(40))
            {
                case 0 when scene.Sidecars < 6 && dice.Next(10) == 0:
                    scene.Join();
                    break;
                case 1 when scene.Sidecars > 2 && dice.Next(20) == 0:
                    scene.Leave(dice.Next(scene.Sidecars));
                    break;
                case < 4:
                    scene.ReportLater(dice.Next(scene.Sidecars));
                    break;
                case < 10:
                    scene.DeliverAny(dice);
                    break;
                case < 16:
                    scene.Advance(TimeSpan.FromMilliseconds(dice.Next(60)));
                    break;
                default:
                    scene.Call(dice.Next(scene.Sidecars) % (1 + (step / 2000 % 4)), $"user{dice.Next(3)}"); // few or all of the sidecars are called
                    break;
            }
        }

        for (int user = 0; user < 3; user++)
        {
            TimeSpan[] passed = scene.Passes($"user{user}");
            Assert.True(passed.Length > scene.Now.TotalSeconds * tokens / 8, $"user {user} passed {passed.Length} times in {scene.Now}");
            for (int first = 0; first < passed.Length; first++)
            {
                int last = Math.Min(first + 400, passed.Length - 1);
                double rate = 2.0 * Math.Max(tokens, 6);
                Assert.InRange(last - first + 1, 0, rate + 12 + (rate * (passed[last] - passed[first]).TotalSeconds)); // a burst is as the tokens of a second, and one more for each share's rounding
            }
        }
    }
}
