using System.Collections.Concurrent;
using System.Text.Json.Serialization;
using Mesh.Shop.Delivery;
using Mesh.Shop.Hosting;
using Mesh.Shop.Products;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;

namespace Mesh.Shop.Orders;

/// <summary>What the user sends.</summary>
internal sealed record OrderBody(long ProductId, long Quantity, string? CustomerName = null, string? CustomerAddr = null);

/// <summary>An order as the repository routes show it.</summary>
internal sealed record OrderResource(
    long ProductId, string ProductName, long Quantity, long Price, string? CustomerName, string? CustomerAddr, string State,
    [property: JsonPropertyName("_links")] Dictionary<string, Link> Links);

/// <summary>Body of <c>/orders</c>.</summary>
internal sealed record OrderList([property: JsonPropertyName("_embedded")] Dictionary<string, OrderResource[]> Embedded);

/// <summary>
/// The service <c>orders</c>: asks products before it writes the order, delivery after. When delivery fails, the order is rolled back and the
/// user gets 500, whatever delivery (or a sidecar) answered and whatever delivery has already done.
/// </summary>
/// <param name="calls">Outgoing calls.</param>
/// <param name="products">Where products is.</param>
/// <param name="delivery">Where delivery is.</param>
internal sealed class OrdersService(JsonCalls calls, Uri products, Uri delivery)
{
    private readonly ConcurrentDictionary<long, OrderResource> _rows = new();
    private long _lastId;

    /// <summary>Adds the routes.</summary>
    public void Map(WebApplication app)
    {
        app.MapPost("/orders", CreateAsync);
        app.MapGet("/orders", context => Reply.JsonAsync(
            context, 200, new OrderList(new() { ["orders"] = [.. _rows.OrderBy(static r => r.Key).Select(static r => r.Value)] }), ShopJson.Default.OrderList));
        app.MapGet("/orders/{id}", context => Reply.JsonAsync(
            context, 200, _rows.TryGetValue(Reply.Id(context), out OrderResource? row) ? row : throw new ShopException(404, "no such order"), ShopJson.Default.OrderResource));
    }

    private async Task CreateAsync(HttpContext context)
    {
        OrderBody body = await Reply.ReadAsync(context, ShopJson.Default.OrderBody);
        Product product = await calls.GetAsync(new Uri(products, $"/product/{body.ProductId}"), ShopJson.Default.Product);
        if (product.Stock < body.Quantity)
        {
            throw new ShopException(500, "No Available stock!");
        }

        long id = Interlocked.Increment(ref _lastId);
        Link self = new(Reply.Href(context, $"/orders/{id}"));
        _rows[id] = new OrderResource(
            body.ProductId, product.Name, body.Quantity, product.Price * body.Quantity, body.CustomerName, body.CustomerAddr, "OrderPlaced",
            new() { ["self"] = self, ["order"] = self });
        try
        {
            await calls.SendAsync(
                HttpMethod.Post, new Uri(delivery, "/deliveries"),
                new DeliveryBody(id, body.ProductId, product.Name, body.Quantity, body.CustomerName, body.CustomerAddr),
                ShopJson.Default.DeliveryBody, ShopJson.Default.DeliveryResource);
        }
        catch (ShopException)
        {
            _rows.TryRemove(id, out _);
            throw;
        }

        context.Response.Headers.Location = self.Href;
        await Reply.JsonAsync(context, 201, _rows[id], ShopJson.Default.OrderResource);
    }
}
