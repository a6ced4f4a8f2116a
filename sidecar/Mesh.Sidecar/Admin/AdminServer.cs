using System.Net;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Transport.Sockets;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using ConfigOptions = Microsoft.Extensions.Options.Options;

namespace Mesh.Sidecar.Admin;

/// <summary>
/// The web server under the admin, health and metrics ports. Kestrel alone, without host, configuration files or environment: nothing but
/// our own options decides where it listens.
/// </summary>
internal sealed class AdminServer : IAsyncDisposable
{
    private readonly KestrelServer _server;
    private readonly ServiceProvider _services;
    private readonly List<(string Name, ListenOptions Listen)> _listeners = [];

    /// <summary>Prepares the server.</summary>
    /// <param name="ports">Name, address and pages of each port.</param>
    /// <param name="loggers">Loggers.</param>
    public AdminServer(IReadOnlyList<(string Name, IPEndPoint Address, RequestDelegate Pages)> ports, ILoggerFactory loggers)
    {
        _services = new ServiceCollection().AddSingleton(loggers).AddLogging().BuildServiceProvider();
        KestrelServerOptions options = new() { ApplicationServices = _services, AddServerHeader = false };
        options.Limits.MaxConcurrentConnections = 256;
        foreach ((string name, IPEndPoint address, RequestDelegate pages) in ports)
        {
            options.Listen(address, listen =>
            {
                listen.Protocols = HttpProtocols.Http1;
                listen.Use(next => connection =>
                {
                    connection.Features.Set(new PortPages(pages));
                    return next(connection);
                });
                _listeners.Add((name, listen));
            });
        }

        _server = new KestrelServer(
            ConfigOptions.Create(options), new SocketTransportFactory(ConfigOptions.Create(new SocketTransportOptions()), loggers), loggers);
    }

    /// <summary>Where each port is bound, after <see cref="StartAsync"/>.</summary>
    public IReadOnlyList<(string Name, IPEndPoint Address)> Addresses => [.. _listeners.Select(static l => (l.Name, l.Listen.IPEndPoint!))];

    /// <summary>Binds; <see cref="IOException"/> when an address is taken.</summary>
    public Task StartAsync() => _server.StartAsync(new Application(), CancellationToken.None);

    /// <summary>Stops; requests in flight are cut off after a second.</summary>
    public async ValueTask DisposeAsync()
    {
        using CancellationTokenSource patience = new();
        await patience.CancelAsync();
        await _server.StopAsync(patience.Token);
        _server.Dispose();
        await _services.DisposeAsync();
    }

    private sealed record PortPages(RequestDelegate Answer);

    private sealed class Application : IHttpApplication<HttpContext>
    {
        public HttpContext CreateContext(IFeatureCollection contextFeatures) => new DefaultHttpContext(contextFeatures);

        public Task ProcessRequestAsync(HttpContext context) => context.Features.GetRequiredFeature<PortPages>().Answer(context);

        public void DisposeContext(HttpContext context, Exception? exception)
        {
        }
    }
}
