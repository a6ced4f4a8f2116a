using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using System.Runtime.ExceptionServices;
using System.Threading.Tasks.Sources;

namespace Mesh.Proxy.Infrastructure;

/// <summary>
/// Builds async methods of the request path whose state, when they have to wait, comes from a pool of the thread and goes back when the result has been read: a
/// thousand requests that wait at one time still allocate nothing. The runtime's own pooling builder keeps one state a core, which an event loop with many
/// connections exceeds at once. Such a method's task is awaited exactly once. The execution context does not flow: there is nothing in it on this path.
/// </summary>
/// <typeparam name="T">Result.</typeparam>
internal struct PooledMethodBuilder<T>
{
    private const string Contract = "The compiler asks for this form.";

    private PooledMethodState<T>? _state;
    private ExceptionDispatchInfo? _failure;
    private T _result;

    /// <summary>The task of the method.</summary>
    public readonly ValueTask<T> Task => _state is not null ? new ValueTask<T>(_state, _state.Version)
        : _failure is null ? new ValueTask<T>(_result)
        : ValueTask.FromException<T>(_failure.SourceException);

    [SuppressMessage("Design", "CA1000", Justification = Contract)]
    public static PooledMethodBuilder<T> Create() => default;

    [SuppressMessage("Performance", "CA1822", Justification = Contract)]
    public readonly void Start<TMachine>(ref TMachine machine)
        where TMachine : IAsyncStateMachine => machine.MoveNext();

    [SuppressMessage("Performance", "CA1822", Justification = Contract)]
    [SuppressMessage("Style", "IDE0060", Justification = Contract)]
    public readonly void SetStateMachine(IAsyncStateMachine machine)
    {
        // Only for machines that are boxed by others.
    }

    public void SetResult(T result)
    {
        if (_state is null)
        {
            _result = result;
        }
        else
        {
            _state.SetResult(result);
        }
    }

    public void SetException(Exception exception)
    {
        if (_state is null)
        {
            _failure = ExceptionDispatchInfo.Capture(exception);
        }
        else
        {
            _state.SetException(exception);
        }
    }

    public void AwaitOnCompleted<TAwaiter, TMachine>(ref TAwaiter awaiter, ref TMachine machine)
        where TAwaiter : INotifyCompletion
        where TMachine : IAsyncStateMachine => awaiter.OnCompleted(Keep(ref machine));

    public void AwaitUnsafeOnCompleted<TAwaiter, TMachine>(ref TAwaiter awaiter, ref TMachine machine)
        where TAwaiter : ICriticalNotifyCompletion
        where TMachine : IAsyncStateMachine => awaiter.UnsafeOnCompleted(Keep(ref machine));

    private Action Keep<TMachine>(ref TMachine machine)
        where TMachine : IAsyncStateMachine
    {
        if (_state is null)
        {
            PooledMethodState<T, TMachine> state = PooledMethodState<T, TMachine>.Rent();
            _state = state; // before the copy: the copy's builder must know it too
            state.Machine = machine;
        }

        return _state.MoveNext;
    }
}

/// <summary>State of a method that waits, as its task sees it.</summary>
/// <typeparam name="T">Result.</typeparam>
internal abstract class PooledMethodState<T> : IValueTaskSource<T>
{
    private ManualResetValueTaskSourceCore<T> _core;

    /// <summary>Goes on; made once.</summary>
    public Action MoveNext { get; protected init; } = null!;

    public short Version => _core.Version;

    public void SetResult(T result) => _core.SetResult(result);

    public void SetException(Exception exception) => _core.SetException(exception);

    public ValueTaskSourceStatus GetStatus(short token) => _core.GetStatus(token);

    // Neither context nor scheduler: who awaits goes on where the result was made.
    public void OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
        _core.OnCompleted(continuation, state, token, ValueTaskSourceOnCompletedFlags.None);

    public T GetResult(short token)
    {
        try
        {
            return _core.GetResult(token);
        }
        finally
        {
            _core.Reset();
            Return();
        }
    }

    /// <summary>Back to the pool.</summary>
    protected abstract void Return();
}

/// <summary>The same with the method's own variables.</summary>
/// <typeparam name="T">Result.</typeparam>
/// <typeparam name="TMachine">What the compiler made of the method.</typeparam>
internal sealed class PooledMethodState<T, TMachine> : PooledMethodState<T>
    where TMachine : IAsyncStateMachine
{
    private const int MaxIdle = 1024;

    [ThreadStatic]
    private static Stack<PooledMethodState<T, TMachine>>? _idle;

    private PooledMethodState() => MoveNext = Go;

    /// <summary>The variables while it waits.</summary>
    [SuppressMessage("Design", "CA1051", Justification = "The machine is a mutable struct that runs in place.")]
    public TMachine Machine = default!;

    /// <summary>One from this thread's pool.</summary>
    public static PooledMethodState<T, TMachine> Rent() => _idle is { Count: > 0 } idle ? idle.Pop() : new PooledMethodState<T, TMachine>();

    protected override void Return()
    {
        Machine = default!;
        Stack<PooledMethodState<T, TMachine>> idle = _idle ??= new Stack<PooledMethodState<T, TMachine>>();
        if (idle.Count < MaxIdle)
        {
            idle.Push(this);
        }
    }

    private void Go() => Machine.MoveNext();
}
