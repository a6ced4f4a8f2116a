using Mesh.ControlPlane.Coordination;
using Mesh.Rules.Wire;
using Xunit;

namespace Mesh.ControlPlane.Tests.Coordination;

/// <summary>Numbers of decisions, what a process before left in force, and what somebody said by hand.</summary>
public sealed class SharedCircuitOrderTests
{
    [Fact]
    public void Change_ComesNotSoonerThanASecondAfterTheOneBefore()
    {
        CircuitBench bench = CircuitBench.With(1, CircuitBench.Config with { OpenTime = TimeSpan.FromMilliseconds(100) });
        bench.Report("a", 10, 10);
        Assert.Equal(CircuitState.Open, bench.Circuit.State);

        Assert.Null(bench.Wait(0.5).Advance());
        Assert.Equal(CircuitState.HalfOpen, bench.Wait(0.5).Advance()!.To);
        Assert.Null(bench.Wait(0.5).Try("a", 4));
        Assert.Equal(CircuitState.Closed, bench.Wait(0.5).Advance()!.To);
    }

    [Fact]
    public void Epoch_GrowsWithEachChangeAndIsAboveAllThatAreReported()
    {
        CircuitBench bench = CircuitBench.With(2);
        bench.Report("a");
        long first = bench.Circuit.Epoch;
        Assert.Equal(CircuitBench.Start.ToUnixTimeMilliseconds(), first);

        bench.Report("b", epoch: first + 5000); // somebody with a clock that is fast told it so

        Assert.Equal((first + 5001, CircuitState.Closed), (bench.Circuit.Epoch, bench.Circuit.State));
        bench.Report("b", epoch: long.MaxValue); // nobody told it so
        Assert.Equal(first + 5001, bench.Circuit.Epoch);
        bench.Report("a", 20, 20);
        Assert.Equal(first + 5002, bench.Circuit.Epoch);
    }

    [Fact]
    public void Epoch_OfAClockThatWasYearsAhead_IsCountedOnFrom()
    {
        CircuitBench bench = CircuitBench.With(2);
        long former = CircuitBench.Start.AddYears(100).ToUnixTimeMilliseconds(); // or our own clock woke up in 1970
        bench.Report("a", epoch: former); // it refused our order as stale, and says what it had

        Assert.Equal((former + 1, CircuitState.Closed), (bench.Order("a")!.Epoch, bench.Order("a")!.State));
        Assert.Equal(36_524, Math.Round(bench.Circuit.Ahead(bench.Now).TotalDays));
        Assert.Null(bench.Circuit.Unbelievable);
        bench.Report("b", 20, 20);
        Assert.Equal(former + 2, bench.Order("a")!.Epoch); // and decisions go on
    }

    [Theory]
    [InlineData((long.MaxValue / 2) + 1)]
    [InlineData(long.MaxValue)]
    public void Epoch_ThatLeavesNoRoom_IsNotCountedOnFromAndItsCallerIsNamed(long epoch)
    {
        CircuitBench bench = CircuitBench.With(2);
        bench.Report("a", epoch: epoch);
        Assert.Equal(CircuitBench.Start.ToUnixTimeMilliseconds(), bench.Circuit.Epoch);
        Assert.Equal("a", bench.Circuit.Unbelievable!.Id);

        bench.Report("b");
        Assert.Equal("a", bench.Circuit.Unbelievable!.Id); // another's word changes nothing
        bench.Report("a", epoch: 0);
        Assert.Null(bench.Circuit.Unbelievable);
    }

    [Fact]
    public void Epoch_MadeUp_TheOthersGoOn_AlsoAfterARestart()
    {
        long highest = DateTimeOffset.MaxValue.ToUnixTimeMilliseconds();
        long inForce = 0;
        for (int restart = 0; restart < 3; restart++)
        {
            CircuitBench bench = CircuitBench.With(3);
            bench.Report("a", epoch: inForce); // it refused our order as stale
            Assert.True(bench.Order("a")!.Epoch > inForce);
            bench.Report("a", epoch: bench.Order("a")!.Epoch);
            bench.Report("liar", epoch: highest); // as high as reports can move us
            bench.Report("liar", epoch: long.MaxValue / 2);
            inForce = bench.Order("a")!.Epoch;
            Assert.InRange(inForce, highest + 1, 10 * highest);

            bench.Report("a", epoch: inForce);
            Assert.Null(bench.Circuit.Unbelievable);
            bench.HalfOpen();
            Assert.Equal(CircuitState.HalfOpen, bench.Order("a")!.State);
            Assert.True(bench.Order("a")!.Epoch > inForce);
            inForce = bench.Order("a")!.Epoch;
        }
    }

    [Fact]
    public void Trials_OfACallerWithNumbersOfItsOwn_Count()
    {
        CircuitBench bench = CircuitBench.With(1);
        long former = DateTimeOffset.MaxValue.ToUnixTimeMilliseconds() + 9;
        bench.Report("a", epoch: former);
        bench.HalfOpen();
        Assert.Equal(former + 1 - CircuitBench.Start.ToUnixTimeMilliseconds(), bench.Order("a")!.Epoch - bench.Circuit.Epoch);

        Assert.Equal(CircuitState.Closed, bench.Try("a", bench.Order("a")!.Trials)!.To);
    }

    [Fact]
    public void Restart_CallerSaysWhatCannotBe_TheOthersAreNotKeptWaiting()
    {
        CircuitBench bench = new(CircuitBench.Config, CircuitBench.Start.AddSeconds(3));
        bench.Report("a");
        bench.Report("liar", epoch: long.MaxValue);

        bench.Wait(3).Report("a");

        Assert.NotNull(bench.Order("a"));
    }

    [Fact]
    public void Restart_OrdersOfBeforeAreInForce_SaysNothingUntilTheyHaveEnded()
    {
        CircuitBench bench = new(CircuitBench.Config, CircuitBench.Start.AddSeconds(3));
        bench.Report("a", epoch: 7);
        bench.Report("b");
        bench.Wait(5).Report("a", 20, 20);

        Assert.Null(bench.Order("a"));
        Assert.Empty(bench.Changes);
        bench.Wait(1).Report("a", 20, 20, epoch: 0); // its own breaker rules now

        Assert.Equal(CircuitState.Closed, bench.Order("b")!.State);
        Assert.True(bench.Order("b")!.Epoch > 7);
        Assert.Equal(CircuitState.Open, bench.Wait(1).Report("a")!.To); // what it saw meanwhile is not lost
    }

    [Fact]
    public void Restart_BeforeALease_SaysNothing()
    {
        CircuitBench bench = new(CircuitBench.Config, CircuitBench.Start.AddSeconds(3));
        bench.Wait(2.9).Report("a");
        Assert.Null(bench.Order("a"));

        bench.Wait(0.1).Report("a");

        Assert.NotNull(bench.Order("a"));
    }

    [Theory]
    [InlineData("open", CircuitState.Open)]
    [InlineData("closed", CircuitState.Closed)]
    [InlineData("disabled", CircuitState.Closed)]
    public void ByHand_HoldsWhateverHappensUntilItsEnd(string word, CircuitState state)
    {
        CircuitBench bench = CircuitBench.With(2);
        bench.Circuit.Force(new ForcedState(word, bench.Now.AddSeconds(60), "test", "me"), bench.Now);
        long epoch = bench.Circuit.Epoch;
        bench.Wait(50).Report("a", 20, 20);

        Assert.Equal((state, epoch, 10_000), (bench.Order("b")!.State, bench.Order("b")!.Epoch, bench.Order("b")!.TtlMilliseconds));
        Assert.Equal(word == "closed" ? 20 : 0, bench.Circuit.Calls.Calls);
        bench.Wait(10).Advance();
        Assert.Null(bench.Circuit.Forced);
        Assert.Equal(CircuitState.Closed, bench.Circuit.State);
        Assert.True(bench.Circuit.Epoch > epoch);
    }

    [Fact]
    public void ByHand_AfterARestart_EndsTheSilence()
    {
        CircuitBench bench = new(CircuitBench.Config, CircuitBench.Start.AddSeconds(3));
        bench.Report("a", epoch: CircuitBench.Start.ToUnixTimeMilliseconds() + 99);

        bench.Circuit.Force(new ForcedState("open", bench.Now.AddSeconds(60), "test", "me"), bench.Now);

        Assert.Equal((CircuitState.Open, CircuitBench.Start.ToUnixTimeMilliseconds() + 100), (bench.Order("a")!.State, bench.Order("a")!.Epoch));
    }

    [Fact]
    public void Lift_AfterARestart_EndsWhatTheProcessBeforeDecidedByHand()
    {
        CircuitBench bench = new(CircuitBench.Config, CircuitBench.Start.AddSeconds(3));
        long former = CircuitBench.Start.ToUnixTimeMilliseconds() + 99;
        bench.Report("a", epoch: former); // open for hours, and nobody here knows of it
        Assert.True(bench.Circuit.IsHeld);

        CircuitChange lifted = bench.Circuit.Lift("lifted", bench.Now)!;

        Assert.Equal(("lifted", CircuitState.Closed, former + 1), (lifted.Reason, bench.Order("a")!.State, bench.Order("a")!.Epoch));
        Assert.False(bench.Circuit.IsHeld);
        Assert.Null(bench.Circuit.Lift("lifted", bench.Now));
    }

    [Fact]
    public void Lift_NobodyHoldsAnything_DecidesNothing()
    {
        CircuitBench bench = new(CircuitBench.Config, CircuitBench.Start.AddSeconds(3));
        bench.Report("a");

        Assert.Null(bench.Circuit.Lift("lifted", bench.Now));
        Assert.Null(bench.Order("a"));
    }
}
