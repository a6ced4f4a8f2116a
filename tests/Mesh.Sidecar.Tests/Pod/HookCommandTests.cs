using System.Collections.Concurrent;
using System.Net;
using Mesh.Sidecar.Options;
using Mesh.Sidecar.Pod;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.Logging;
using Xunit;

namespace Mesh.Sidecar.Tests.Pod;

public sealed class HookCommandTests : IAsyncLifetime, IDisposable
{
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

    public void Dispose() => _errors.Dispose();

    [Fact]
    public async Task Wait_AsksUntilItIsReady_AndSaysNothing()
    {
        Answer(503, 503, 200);

        Assert.Equal(0, await RunAsync("wait", "--url", $"{_address}healthz/ready"));

        Assert.Equal(["GET /healthz/ready", "GET /healthz/ready", "GET /healthz/ready"], _asked);
        Assert.Equal("", _errors.ToString());
    }

    [Fact]
    public async Task Wait_InVain_EndsWithOneAndTheLastAnswer()
    {
        Answer(503);

        Assert.Equal(1, await RunAsync("wait", "--url", $"{_address}x", "--timeout", "600ms"));

        Assert.Equal($"{_address}x: answers 503{Environment.NewLine}", _errors.ToString());
        Assert.True(_asked.Count > 1);
    }

    [Fact]
    public async Task Wait_BeforeAnybodyListens_GoesOn()
    {
        Answer(200);
        int port = _address.Port;
        await _app.DisposeAsync();

        Assert.Equal(1, await RunAsync("wait", "--url", $"http://127.0.0.1:{port}/x", "--timeout", "300ms"));

        Assert.Contains("refused", _errors.ToString(), StringComparison.OrdinalIgnoreCase);
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
        new HookCommand(CommandLine.Read(arguments, static _ => null).Hook!, TimeProvider.System, _errors).RunAsync().WaitAsync(TimeSpan.FromSeconds(10));
}
