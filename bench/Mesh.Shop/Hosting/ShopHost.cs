using Mesh.Shop.Delivery;
using Mesh.Shop.Orders;
using Mesh.Shop.Products;
using Mesh.Shop.Relay;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Mesh.Shop.Hosting;

/// <summary>Makes a web application of one of the services.</summary>
internal static class ShopHost
{
    /// <summary>Builds it, not started.</summary>
    /// <param name="options">Role and addresses.</param>
    /// <param name="handler">Carries outgoing calls; its proxy settings are honoured. Not disposed.</param>
    /// <param name="time">Clock of every delay.</param>
    public static WebApplication Build(ShopOptions options, HttpMessageHandler handler, TimeProvider time)
    {
        WebApplicationBuilder builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(options.Listen));
        builder.Services.Configure<HostOptions>(static host => host.ShutdownTimeout = TimeSpan.FromSeconds(2));
        WebApplication app = builder.Build();
        app.Use((context, next) => AnswerFailuresAsync(context, next, options.Instance));
        app.MapGet("/actuator/health", static (HttpContext context) => Reply.JsonAsync(context, 200, new HealthBody("UP"), ShopJson.Default.HealthBody));

        // The original's clients have no time limit; only the end of the process ends a call.
        HttpClient client = new(handler, disposeHandler: false) { Timeout = Timeout.InfiniteTimeSpan };
        CancellationToken stopping = app.Lifetime.ApplicationStopping;
        switch (options.Role)
        {
            case ShopRole.Products:
                ProductCatalog catalog = new();
                new ProductsService(catalog, new ProductsControl(options.Instance, catalog, time, stopping), time).Map(app);
                break;
            case ShopRole.Delivery:
                new DeliveryService(new JsonCalls(client, stopping), options.ProductsUrl).Map(app);
                break;
            case ShopRole.Relay:
                new RelayService(client, options.NextUrl, stopping).Map(app);
                break;
            default:
                new OrdersService(new JsonCalls(client, stopping), options.ProductsUrl, options.DeliveryUrl).Map(app);
                break;
        }

        return app;
    }

    /// <summary>The address a started application is bound to.</summary>
    public static Uri AddressOf(WebApplication app) => new(app.Urls.First());

    // What the framework of the original does with an exception: a JSON error with the status, never a broken connection.
    private static async Task AnswerFailuresAsync(HttpContext context, RequestDelegate next, string instance)
    {
        context.Response.Headers["x-shop-instance"] = instance;
        try
        {
            await next(context);
        }
        catch (ShopException failure)
        {
            await Reply.ErrorAsync(context, failure.Status, failure.Message);
        }
        catch (OperationCanceledException) when (!context.RequestAborted.IsCancellationRequested)
        {
            await Reply.ErrorAsync(context, 503, "shutting down");
        }
    }
}
