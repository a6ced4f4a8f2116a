using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using Mesh.Sidecar.Options;
using Mesh.Sidecar.Pod;
using Mesh.Testing;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.Logging;
using Xunit;

namespace Mesh.Sidecar.Tests.Pod;

public sealed class HookCommandTests : IAsyncLifetime, IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    private readonly Clock _time = new();
    private readonly ConcurrentQueue<string> _asked = new();
    private readonly StringWriter _errors = new();
    private readonly Queue<int> _answers = new();
    private WebApplication _app = null!;
    private Uri _address = null!;

    public async Task InitializeAsync()
    {
        WebApplicationBuilder builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(static k => k.Listen(IPAddress.Loopback, 0));
        _app = builder.Build();
        _app.Run(context =>
        {
            _asked.Enqueue($"{context.Request.Method} {context.Request.Path}");
            context.Response.StatusCode = _answers.Count > 1 ? _answers.Dequeue() : _answers.Peek();
            return Task.CompletedTask;
        });
        await _app.StartAsync();
        _address = new Uri(_app.Urls.First());
    }

    public async Task DisposeAsync() => await _app.DisposeAsync();

    public void Dispose()
    {
        _errors.Dispose();
        _time.Dispose();
    }

    [Fact]
    public async Task Wait_AsksUntilItIsReady_AndSaysNothing()
    {
        Answer(503, 503, 200);

        Task<int> waiting = RunAsync("wait", "--url", $"{_address}healthz/ready");
        await _time.PauseAsync();
        _time.Advance(250);
        await _time.PauseAsync();
        _time.Advance(250);

        Assert.Equal(0, await waiting);
        Assert.Equal(["GET /healthz/ready", "GET /healthz/ready", "GET /healthz/ready"], _asked);
        Assert.Equal("", _errors.ToString());
    }

    [Fact]
    public async Task Wait_InVain_EndsWithOneAndTheLastAnswer()
    {
        Answer(503);
        Task<int> waiting = RunAsync("wait", "--url", $"{_address}x", "--timeout", "600ms");
        await _time.PauseAsync();
        _time.Advance(250);
        await _time.PauseAsync();
        Assert.Equal(2, _asked.Count);
        _time.Advance(350);

        Assert.Equal(1, await waiting);
        Assert.Equal($"{_address}x: answers 503{Environment.NewLine}", _errors.ToString());
    }

    [Fact]
    public async Task Wait_BeforeAnybodyListens_GoesOn()
    {
        using Socket server = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        server.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        Task<int> waiting = RunAsync("wait", "--url", $"http://{server.LocalEndPoint}/x");
        await _time.PauseAsync(); // it was refused
        server.Listen();
        _time.Advance(250);
        using Socket accepted = await server.AcceptAsync().WaitAsync(Patience);
        await accepted.SendAsync("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"u8.ToArray());

        Assert.Equal(0, await waiting);
        Assert.Equal("", _errors.ToString());
    }

    [Theory]
    [InlineData(200, 0)]
    [InlineData(403, 1)]
    public async Task Drain_PostsOnce(int answer, int code)
    {
        Answer(answer);

        Assert.Equal(code, await RunAsync("drain", $"--url={_address}drain"));

        Assert.Equal(["POST /drain"], _asked);
        Assert.Equal(code == 0, _errors.ToString().Length == 0);
    }

    [Fact]
    public void Defaults_AreTheSidecarsPortsInAPod()
    {
        HookOptions wait = CommandLine.Read(["wait"], static _ => null).Hook!, drain = CommandLine.Read(["drain"], static _ => null).Hook!;
        CommandLineResult pod = CommandLine.Read(["run", "--pod=a.b", "--pod-ips=10.0.0.7", "--control-plane=http://127.0.0.1:1"], static _ => null);

        Assert.Equal((pod.Options!.Health.Port, "/healthz/ready", TimeSpan.FromMinutes(10)), (wait.Url.Port, wait.Url.AbsolutePath, wait.Timeout));
        Assert.Equal((pod.Options.Agent!.Port, "/drain"), (drain.Url.Port, drain.Url.AbsolutePath));
        Assert.Contains("--timeout: '0s'", CommandLine.Read(["wait", "--timeout", "0s"], static _ => null).Error, StringComparison.Ordinal);
        Assert.Contains("--url: 'x'", CommandLine.Read(["drain", "--url", "x"], static _ => null).Error, StringComparison.Ordinal);
    }

    private void Answer(params int[] statuses) => Array.ForEach(statuses, _answers.Enqueue);

    private Task<int> RunAsync(params string[] arguments) =>
        new HookCommand(CommandLine.Read(arguments, static _ => null).Hook!, _time, _errors).RunAsync().WaitAsync(Patience);

    /// <summary>Stands still, and tells when somebody begins to wait between two questions.</summary>
    private sealed class Clock : TimeProvider, IDisposable
    {
        private readonly FakeTimeProvider _inner = new();
        private readonly SemaphoreSlim _pauses = new(0);

        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
        {
            ITimer timer = _inner.CreateTimer(callback, state, dueTime, period);
            if (dueTime == TimeSpan.FromMilliseconds(250))
            {
                _pauses.Release();
            }

            return timer;
        }

        public async Task PauseAsync() => Assert.True(await _pauses.WaitAsync(Patience));

        public void Advance(int milliseconds) => _inner.Advance(TimeSpan.FromMilliseconds(milliseconds));

        public void Dispose() => _pauses.Dispose();
    }
}
