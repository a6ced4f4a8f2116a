using System.IO.Pipelines;
using Mesh.Proxy.Infrastructure;

namespace Mesh.Proxy.Upstream.Wire;

/// <summary>
/// Where one side of a pipe between two event loops goes on: at once if it is on its loop, else there. <see cref="Loop"/> changes only while that side is at rest.
/// </summary>
internal sealed class WireScheduler(ILoopFeature? home) : PipeScheduler
{
    private volatile PipeScheduler? _loop = home?.Loop;

    /// <summary>The loop of this side; null without loops.</summary>
    public PipeScheduler? Loop
    {
        get => _loop;
        set => _loop = value;
    }

    public override void Schedule(Action<object?> action, object? state)
    {
        PipeScheduler? loop = _loop;
        if (loop is null || (loop == home!.Loop && home.IsOnLoop))
        {
            action(state);
        }
        else
        {
            loop.Schedule(action, state);
        }
    }
}
