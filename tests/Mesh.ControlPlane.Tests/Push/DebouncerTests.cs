using Mesh.ControlPlane.Push;
using Mesh.Testing;
using Xunit;

namespace Mesh.ControlPlane.Tests.Push;

public sealed class DebouncerTests
{
    private readonly FakeTimeProvider _time = new();
    private readonly ChangeSignal _signal = new();

    [Fact]
    public async Task Wait_OneChange_EndsAfterThePause()
    {
        _signal.Set();
        Task wait = new Debouncer(_signal, _time).WaitAsync(CancellationToken.None);
        await ArmedAsync();

        _time.Advance(Debouncer.Quiet - TimeSpan.FromMilliseconds(1));
        Assert.False(wait.IsCompleted);
        _time.Advance(TimeSpan.FromMilliseconds(1));

        await wait.WaitAsync(TimeSpan.FromSeconds(10));
        Assert.False(_signal.IsSet);
    }

    [Fact]
    public async Task Wait_ChangesGoOn_EndsAllTheSame()
    {
        _signal.Set();
        Task wait = new Debouncer(_signal, _time).WaitAsync(CancellationToken.None);
        TimeSpan waited = TimeSpan.Zero;
        while (waited < Debouncer.Longest)
        {
            await ArmedAsync();
            _signal.Set();
            _time.Advance(Debouncer.Quiet);
            waited += Debouncer.Quiet;
        }

        await wait.WaitAsync(TimeSpan.FromSeconds(10));
        Assert.True(_signal.IsSet); // the last change is left for the next round
    }

    [Fact]
    public async Task Wait_NoChange_DoesNotEnd()
    {
        using CancellationTokenSource stop = new();
        Task wait = new Debouncer(_signal, _time).WaitAsync(stop.Token);

        _time.Advance(TimeSpan.FromHours(1));
        Assert.False(wait.IsCompleted);
        await stop.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => wait);
    }

    private async Task ArmedAsync()
    {
        using CancellationTokenSource patience = new(TimeSpan.FromSeconds(10), TimeProvider.System);
        while (_time.ArmedTimers == 0)
        {
            patience.Token.ThrowIfCancellationRequested();
            await Task.Yield();
        }
    }
}
