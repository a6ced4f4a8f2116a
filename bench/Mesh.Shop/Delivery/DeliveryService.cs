using System.Collections.Concurrent;
using System.Text.Json.Serialization;
using Mesh.Shop.Hosting;
using Mesh.Shop.Products;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;

namespace Mesh.Shop.Delivery;

/// <summary>What orders asks for.</summary>
internal sealed record DeliveryBody(long OrderId, long ProductId, string? ProductName, long Quantity, string? CustomerName = null, string? DeliveryAddress = null);

/// <summary>A delivery as the repository routes show it.</summary>
internal sealed record DeliveryResource(
    long OrderId, long ProductId, string? ProductName, long Quantity, string? CustomerName, string? DeliveryAddress, string DeliveryState,
    [property: JsonPropertyName("_links")] Dictionary<string, Link> Links);

/// <summary>Body of <c>/deliveries</c>.</summary>
internal sealed record DeliveryList([property: JsonPropertyName("_embedded")] Dictionary<string, DeliveryResource[]> Embedded);

/// <summary>
/// The service <c>delivery</c>: writes a delivery, then takes the quantity off the stock by reading it and writing back an absolute number.
/// Two at once lose an update; that is the original's flaw and part of the lesson.
/// </summary>
/// <param name="calls">Outgoing calls.</param>
/// <param name="products">Where products is.</param>
internal sealed class DeliveryService(JsonCalls calls, Uri products)
{
    private readonly ConcurrentDictionary<long, DeliveryResource> _rows = new();
    private long _lastId;

    /// <summary>Adds the routes.</summary>
    public void Map(WebApplication app)
    {
        app.MapPost("/deliveries", CreateAsync);
        app.MapGet("/deliveries", context => Reply.JsonAsync(
            context, 200, new DeliveryList(new() { ["deliveries"] = [.. _rows.OrderBy(static r => r.Key).Select(static r => r.Value)] }), ShopJson.Default.DeliveryList));
        app.MapGet("/deliveries/{id}", context => Reply.JsonAsync(
            context, 200, _rows.TryGetValue(Reply.Id(context), out DeliveryResource? row) ? row : throw new ShopException(404, "no such delivery"), ShopJson.Default.DeliveryResource));
    }

    private async Task CreateAsync(HttpContext context)
    {
        DeliveryBody body = await Reply.ReadAsync(context, ShopJson.Default.DeliveryBody);
        long id = Interlocked.Increment(ref _lastId);
        Link self = new(Reply.Href(context, $"/deliveries/{id}"));
        DeliveryResource row = new(
            body.OrderId, body.ProductId, body.ProductName, body.Quantity, body.CustomerName, body.DeliveryAddress, "DeliveryStarted",
            new() { ["self"] = self, ["delivery"] = self });
        await TakeOffStockAsync(body);

        // Written only now: a failure above is the rollback of the original's transaction. The id it used stays used.
        _rows[id] = row;
        context.Response.Headers.Location = self.Href;
        await Reply.JsonAsync(context, 201, row, ShopJson.Default.DeliveryResource);
    }

    private async Task TakeOffStockAsync(DeliveryBody body)
    {
        Uri url = new(products, $"/products/{body.ProductId}");
        ProductResource product = await calls.GetAsync(url, ShopJson.Default.ProductResource);
        await calls.SendAsync(
            HttpMethod.Patch, url, new ProductChange(Stock: product.Stock - body.Quantity), ShopJson.Default.ProductChange, ShopJson.Default.ProductResource);
    }
}
