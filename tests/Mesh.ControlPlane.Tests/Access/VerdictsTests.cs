using Mesh.ControlPlane.Access;
using Mesh.Testing;
using Xunit;

namespace Mesh.ControlPlane.Tests.Access;

public sealed class VerdictsTests
{
    private readonly FakeTimeProvider _time = new();

    [Fact]
    public void Add_Full_MakesRoomByTakingOutWhatIsOver()
    {
        Verdicts verdicts = new(2, _time);
        verdicts.Add("lasting", CallerAnswer.Of(Caller.Operator), TimeSpan.FromSeconds(60));
        verdicts.Add("short", CallerAnswer.Unknown("no"), TimeSpan.FromSeconds(5));
        _time.Advance(TimeSpan.FromSeconds(5));

        verdicts.Add("next", CallerAnswer.Unknown("no"), TimeSpan.FromSeconds(5));

        Assert.NotNull(verdicts.Find("lasting"));
        Assert.Null(verdicts.Find("short"));
        Assert.NotNull(verdicts.Find("next"));
    }

    [Fact]
    public void Add_Endlessly_StaysBounded()
    {
        Verdicts verdicts = new(10, _time);
        for (int i = 0; i < 1000; i++)
        {
            verdicts.Add($"token {i}", CallerAnswer.Unknown("no"), TimeSpan.FromSeconds(5));
        }

        Assert.Equal(10, verdicts.Count);
        Assert.NotNull(verdicts.Find("token 999"));
    }

    [Fact]
    public void Add_FullOfWhatHolds_TakesOutTheOldest()
    {
        Verdicts verdicts = new(2, _time);
        verdicts.Add("a", CallerAnswer.Unknown("no"), TimeSpan.FromSeconds(50));
        _time.Advance(TimeSpan.FromSeconds(1));
        verdicts.Add("b", CallerAnswer.Unknown("no"), TimeSpan.FromSeconds(50));
        _time.Advance(TimeSpan.FromSeconds(1));
        verdicts.Add("a", CallerAnswer.Unknown("no"), TimeSpan.FromSeconds(50)); // the first that was added is the younger one now

        verdicts.Add("c", CallerAnswer.Unknown("no"), TimeSpan.FromSeconds(50));

        Assert.Null(verdicts.Find("b"));
        Assert.NotNull(verdicts.Find("a"));
    }

    [Fact]
    public void Add_NoTimeLeft_IsNotRemembered()
    {
        Verdicts verdicts = new(10, _time);
        verdicts.Add("a", CallerAnswer.Of(Caller.Operator), TimeSpan.FromSeconds(-1));

        Assert.Equal(0, verdicts.Count);
    }
}
