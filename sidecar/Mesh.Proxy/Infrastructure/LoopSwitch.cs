using System.IO.Pipelines;
using System.Runtime.CompilerServices;

namespace Mesh.Proxy.Infrastructure;

/// <summary>
/// Awaiting it goes on on a loop's thread: at once if this is it. To be awaited in the very method that needs it: around a method that awaits it, the task may be
/// done before its caller looks, and the caller then goes on where it was.
/// </summary>
internal readonly struct LoopSwitch(PipeScheduler loop, bool isThere) : ICriticalNotifyCompletion
{
    public bool IsCompleted => isThere;

    public LoopSwitch GetAwaiter() => this;

    public void GetResult()
    {
    }

    public void OnCompleted(Action continuation) => UnsafeOnCompleted(continuation);

    public void UnsafeOnCompleted(Action continuation) => loop.Schedule(static c => ((Action)c!)(), continuation);
}
