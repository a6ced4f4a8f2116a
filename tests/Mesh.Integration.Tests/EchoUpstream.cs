using System.Collections.Concurrent;
using System.Net;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Mesh.Integration.Tests;

/// <summary>An application behind a sidecar: answers what the test tells it to, and knows how many requests it holds.</summary>
internal sealed class EchoUpstream : IAsyncDisposable
{
    private readonly WebApplication _app;
    private int _active;
    private int _served;

    private EchoUpstream(WebApplication app) => _app = app;

    public int Status { get; set; } = 200;

    /// <summary>Answers as a sidecar in front of the application does when its limits refuse.</summary>
    public bool IsOverloaded { get; set; }

    /// <summary>While set, requests wait for it before they are answered.</summary>
    public TaskCompletionSource? Gate { get; set; }

    public int Active => Volatile.Read(ref _active);

    public int Served => Volatile.Read(ref _served);

    public ConcurrentQueue<string> Hosts { get; } = new();

    public string Address { get; private set; } = "";

    public static async Task<EchoUpstream> StartAsync()
    {
        WebApplicationBuilder builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(o => o.Listen(IPAddress.Loopback, 0));
        WebApplication app = builder.Build();
        EchoUpstream upstream = new(app);
        app.Run(upstream.AnswerAsync);
        await app.StartAsync();
        upstream.Address = new Uri(app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First()).Authority;
        return upstream;
    }

    public async ValueTask DisposeAsync()
    {
        Gate?.TrySetResult();
        await _app.DisposeAsync();
    }

    private async Task AnswerAsync(HttpContext context)
    {
        Hosts.Enqueue(context.Request.Host.Value ?? "");
        Interlocked.Increment(ref _active);
        try
        {
            if (Gate is { } gate)
            {
                await gate.Task.WaitAsync(context.RequestAborted);
            }

            Interlocked.Increment(ref _served);
            context.Response.StatusCode = IsOverloaded ? 503 : Status;
            if (IsOverloaded)
            {
                context.Response.Headers["x-envoy-overloaded"] = "true";
            }

            await context.Response.WriteAsync($"{context.Request.Method} {context.Request.Path}{context.Request.QueryString}\n");
            await context.Request.Body.CopyToAsync(context.Response.Body);
        }
        finally
        {
            Interlocked.Decrement(ref _active);
        }
    }
}
