using Mesh.Proxy.Fallbacks;
using Mesh.Rules.Snapshots;
using Xunit;

namespace Mesh.Proxy.Tests.Fallbacks;

/// <summary>Timestamps are in tenths of a second.</summary>
public sealed class LastGoodCacheTests
{
    private const long Frequency = 10;

    [Fact]
    public void Find_GivesTheAnswerAndItsAge_UntilItIsTooOld()
    {
        LastGoodCache cache = new(new LastGoodConfig { MaxAge = TimeSpan.FromSeconds(30) }, Frequency);
        StandIn answer = Answer(10);

        Assert.True(cache.TryKeep("a", answer, bornAt: 80, now: 100));

        Assert.Same(answer, cache.Find("a", 109, out long age));
        Assert.Equal(2, age);
        Assert.Null(cache.Find("b", 109, out _));
        Assert.Same(answer, cache.Find("a", 380, out age));
        Assert.Equal(30, age);
        Assert.Null(cache.Find("a", 381, out _));
        Assert.Equal((0, 0L), (cache.Entries, cache.Bytes)); // it is not kept any longer either
    }

    [Fact]
    public void Bytes_AreThoseOfKeysLinesAndBodies()
    {
        LastGoodCache cache = new(new LastGoodConfig(), Frequency);
        cache.TryKeep("abc", new StandIn(200, new byte[7], new byte[100]), 0, 0);
        Assert.Equal((1, 113L), (cache.Entries, cache.Bytes));

        cache.TryKeep("abc", new StandIn(200, new byte[7], new byte[50]), 20, 20);
        Assert.Equal((1, 63L), (cache.Entries, cache.Bytes));
    }

    [Fact]
    public void MaxEntries_OneKeptLongestAgoGoesFirst()
    {
        LastGoodCache cache = new(new LastGoodConfig { MaxEntries = 2 }, Frequency);
        cache.TryKeep("a", Answer(1), 0, 0);
        cache.TryKeep("b", Answer(1), 1, 1);
        cache.TryKeep("a", Answer(1), 20, 20);

        cache.TryKeep("c", Answer(1), 21, 21);

        Assert.Equal("a c", Kept(cache, "a", "b", "c"));
    }

    [Fact]
    public void MaxBytes_HoldsAfterEachAnswer_AndABigOneDoesNotPushAllOthersOut()
    {
        LastGoodCache cache = new(new LastGoodConfig { MaxBytes = 1000 }, Frequency);
        for (int i = 0; i < 20; i++)
        {
            cache.TryKeep($"k{i:00}", Answer(94), i, i); // 100 each with its key
            Assert.InRange(cache.Bytes, 0, 1000);
        }

        Assert.Equal(10, cache.Entries);
        Assert.False(cache.TryKeep("big", Answer(495), 20, 20));
        Assert.Equal(10, cache.Entries);
        Assert.True(cache.TryKeep("big", Answer(494), 20, 20));
        Assert.Equal((6, 1000L), (cache.Entries, cache.Bytes));
    }

    [Fact]
    public void AnswerThatIsTooOldWhenItComes_IsNotKept()
    {
        LastGoodCache cache = new(new LastGoodConfig { MaxAge = TimeSpan.FromSeconds(5) }, Frequency);

        Assert.False(cache.TryKeep("a", Answer(1), bornAt: 0, now: 51));
        Assert.True(cache.TryKeep("a", Answer(1), bornAt: 0, now: 50));
    }

    [Fact]
    public void IsDue_OncePerSecondAndKey()
    {
        LastGoodCache cache = new(new LastGoodConfig(), Frequency);
        Assert.True(cache.IsDue("a", 0));
        cache.TryKeep("a", Answer(1), 0, 0);

        Assert.Equal((false, true, true), (cache.IsDue("a", 9), cache.IsDue("a", 10), cache.IsDue("b", 9)));
    }

    [Fact]
    public void RandomHistory_KeepsItsBoundsAndItsSums()
    {
        Random random = new(35);
        LastGoodCache cache = new(new LastGoodConfig { MaxEntries = 8, MaxBytes = 2000, MaxAge = TimeSpan.FromSeconds(20) }, Frequency);
        Dictionary<string, (long Bytes, long BornAt)> model = [];
        for (int step = 0; step < 5000; step++)
        {
            string key = $"k{random.Next(12)}";
            if (random.Next(3) > 0)
            {
                int bytes = random.Next(1200);
                if (cache.TryKeep(key, Answer(bytes), step, step))
                {
                    model.Remove(key);
                    model.Add(key, (bytes + 2L * key.Length, step));
                    foreach (string oldest in model.OrderBy(static m => m.Value.BornAt).Select(static m => m.Key).ToArray())
                    {
                        if (model.Count > 8 || model.Values.Sum(static m => m.Bytes) > 2000)
                        {
                            model.Remove(oldest);
                        }
                    }
                }
            }
            else
            {
                bool isThere = model.TryGetValue(key, out (long, long BornAt) entry) && step - entry.BornAt <= 200;
                Assert.Equal(isThere, cache.Find(key, step, out _) is not null);
                if (!isThere)
                {
                    model.Remove(key);
                }
            }

            Assert.Equal((model.Count, model.Values.Sum(static m => m.Bytes)), (cache.Entries, cache.Bytes));
        }
    }

    private static string Kept(LastGoodCache cache, params string[] keys) => string.Join(' ', keys.Where(k => cache.Find(k, 21, out _) is not null));

    private static StandIn Answer(int bytes) => new(200, [], new byte[bytes]);
}
