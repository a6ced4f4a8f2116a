using Mesh.Proxy.Infrastructure;
using Mesh.Proxy.Telemetry;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Mesh.Proxy.Tests.Infrastructure;

public sealed class BackgroundWorkTests
{
    private readonly StripedCounter _bugs = new();

    [Fact]
    public void Guard_Throws_CountsAndGoesOn()
    {
        new BackgroundWork(NullLogger.Instance, _bugs).Guard("test", static message => throw new InvalidOperationException(message), "bug");

        Assert.Equal(1, _bugs.Value);
    }

    [Fact]
    public void Start_WorkFailsLater_IsCounted()
    {
        TaskCompletionSource work = new(); // continuations run inside SetException
        new BackgroundWork(NullLogger.Instance, _bugs).Start("test", static w => w.Task, work);
        Assert.Equal(0, _bugs.Value);

        work.SetException(new InvalidOperationException("bug"));

        Assert.Equal(1, _bugs.Value);
    }

    [Fact]
    public void Start_WorkEnds_CountsNothing()
    {
        new BackgroundWork(NullLogger.Instance, _bugs).Start("test", static _ => Task.CompletedTask, 0);

        Assert.Equal(0, _bugs.Value);
    }
}
