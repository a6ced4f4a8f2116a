using Mesh.Proxy.Infrastructure;
using Mesh.Testing;
using Xunit;

namespace Mesh.Proxy.Tests.Infrastructure;

public sealed class PooledTimeoutTests
{
    private readonly FakeTimeProvider _time = new();
    private readonly TimeoutPool _pool;

    public PooledTimeoutTests() => _pool = new TimeoutPool(_time);

    [Fact]
    public void Arm_TimePasses_CancelsAndSaysThatItExpired()
    {
        using PooledTimeout timeout = _pool.Rent();
        timeout.Arm(TimeSpan.FromSeconds(1));

        _time.Advance(TimeSpan.FromMilliseconds(999));
        Assert.False(timeout.Token.IsCancellationRequested);
        _time.Advance(TimeSpan.FromMilliseconds(1));

        Assert.True(timeout.Token.IsCancellationRequested);
        Assert.True(timeout.HasExpired);
        Assert.False(timeout.Disarm());
    }

    [Fact]
    public void Disarm_BeforeTheDeadline_NothingHappens()
    {
        using PooledTimeout timeout = _pool.Rent();
        timeout.Arm(TimeSpan.FromSeconds(1));

        Assert.True(timeout.Disarm());
        _time.Advance(TimeSpan.FromSeconds(5));

        Assert.False(timeout.Token.IsCancellationRequested);
    }

    [Fact]
    public void Dispose_NotFired_IsUsedAgain()
    {
        PooledTimeout first = _pool.Rent();
        first.Arm(TimeSpan.FromSeconds(1));
        first.Dispose();

        using PooledTimeout second = _pool.Rent();

        Assert.Same(first, second);
        Assert.Equal(0, _time.ArmedTimers);
    }

    [Fact]
    public void Dispose_Fired_IsNotUsedAgain()
    {
        PooledTimeout first = _pool.Rent();
        first.Arm(TimeSpan.FromSeconds(1));
        _time.Advance(TimeSpan.FromSeconds(1));
        first.Dispose();

        using PooledTimeout second = _pool.Rent();

        Assert.NotSame(first, second);
        Assert.False(second.Token.IsCancellationRequested);
    }

    [Fact]
    public void Cancel_ByHand_IsNotExpiry()
    {
        using PooledTimeout timeout = _pool.Rent();
        timeout.Arm(TimeSpan.FromSeconds(1));

        timeout.Cancel();

        Assert.True(timeout.Token.IsCancellationRequested);
        Assert.False(timeout.HasExpired);
    }

    [Fact]
    public void RentArmDispose_Warm_AllocatesNothing()
    {
        TimeoutPool pool = new(TimeProvider.System); // the fake clock keeps lists
        UseOnce(pool);

        long before = GC.GetAllocatedBytesForCurrentThread();
        UseOnce(pool);
        Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());

        static void UseOnce(TimeoutPool pool)
        {
            using PooledTimeout timeout = pool.Rent();
            timeout.Arm(TimeSpan.FromHours(1));
        }
    }
}
