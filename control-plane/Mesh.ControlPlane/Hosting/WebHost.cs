using System.Net;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Transport.Sockets;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Mesh.ControlPlane.Hosting;

/// <summary>Makes the two web applications: Kestrel, routing and a log, and nothing that reads settings behind the options' back.</summary>
internal static class WebHost
{
    private static readonly TimeSpan DrainTime = TimeSpan.FromSeconds(3);
    private const int Backlog = 4096; // a thousand sidecars come back in the same instant
    private const int StreamBuffer = 16 * 1024; // what waits for a slow reader; a thousand streams have one each

    /// <summary>An application on <paramref name="listen"/>, over TLS when <paramref name="tls"/> makes its listener speak it.</summary>
    public static WebApplication Create(IPEndPoint listen, Action<ListenOptions>? tls, ILoggerProvider log)
    {
        WebApplicationBuilder builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore().UseKestrelHttpsConfiguration().ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            kestrel.Limits.MaxResponseBufferSize = StreamBuffer;
            kestrel.Listen(listen, endpoint => tls?.Invoke(endpoint));
        });
        builder.Services.Configure<SocketTransportOptions>(static o => (o.Backlog, o.MaxWriteBufferSize) = (Backlog, StreamBuffer));
        builder.Services.AddRoutingCore();
        builder.Services.AddSingleton<IHostLifetime, QuietLifetime>();
        builder.Services.Configure<HostOptions>(static o => o.ShutdownTimeout = DrainTime);
        builder.Logging.AddProvider(log);
        return builder.Build();
    }

    /// <summary>Where it is bound.</summary>
    public static string AddressOf(WebApplication app) =>
        app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.Single();

    /// <summary>Signals are the process's business, not each application's.</summary>
    private sealed class QuietLifetime : IHostLifetime
    {
        public Task WaitForStartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    }
}
