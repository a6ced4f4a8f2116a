using Mesh.Shop.Hosting;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;

namespace Mesh.Shop.Products;

/// <summary>The service <c>products</c>: the stock, by its own routes and by the repository's.</summary>
/// <param name="catalog">The rows.</param>
/// <param name="control">Makes it sick.</param>
/// <param name="time">Clock of the slow route.</param>
internal sealed class ProductsService(ProductCatalog catalog, ProductsControl control, TimeProvider time)
{
    /// <summary>How long <c>decreaseStock</c> sleeps; the original does so to make contention visible.</summary>
    public static readonly TimeSpan DecreaseDelay = TimeSpan.FromMilliseconds(500);

    /// <summary>Adds the routes.</summary>
    public void Map(WebApplication app)
    {
        control.Map(app);
        app.MapGet("/product/{id}", context => RowAsync(context, catalog.Get(Reply.Id(context))));
        app.MapPut("/product/decreaseStock/{id}", DecreaseAsync);
        app.MapPut("/product/increaseStock/{id}", async context =>
            await RowAsync(context, catalog.AddStock(Reply.Id(context), await QuantityAsync(context))));
        app.MapPost("/product", async context => await RowAsync(context, catalog.Add(await Reply.ReadAsync(context, ShopJson.Default.ProductChange))));
        app.MapGet("/products", ListAsync);
        app.MapGet("/products/{id}", context => ResourceAsync(context, catalog.Get(Reply.Id(context))));
        app.MapPatch("/products/{id}", async context =>
            await ResourceAsync(context, catalog.Change(Reply.Id(context), await Reply.ReadAsync(context, ShopJson.Default.ProductChange))));
    }

    private async Task DecreaseAsync(HttpContext context)
    {
        long quantity = await QuantityAsync(context);
        await Task.Delay(DecreaseDelay, time, context.RequestAborted);
        await RowAsync(context, catalog.AddStock(Reply.Id(context), -quantity));
    }

    private static async Task<long> QuantityAsync(HttpContext context) =>
        long.TryParse(context.Request.Query["quantity"], out long quantity)
            ? quantity
            : (await Reply.ReadAsync(context, ShopJson.Default.QuantityBody)).Quantity;

    private static Task RowAsync(HttpContext context, Product row) => Reply.JsonAsync(context, 200, row, ShopJson.Default.Product);

    private static Task ResourceAsync(HttpContext context, Product row) =>
        Reply.JsonAsync(context, 200, Resource(context, row), ShopJson.Default.ProductResource);

    private Task ListAsync(HttpContext context)
    {
        ProductResource[] rows = [.. catalog.All().Select(row => Resource(context, row))];
        ProductList list = new(
            new() { ["products"] = rows },
            new() { ["self"] = new Link(Reply.Href(context, "/products")) },
            new Page(20, rows.Length, 1, 0));
        return Reply.JsonAsync(context, 200, list, ShopJson.Default.ProductList);
    }

    private static ProductResource Resource(HttpContext context, Product row)
    {
        Link self = new(Reply.Href(context, $"/products/{row.Id}"));
        return new ProductResource(row.Name, row.Price, row.Stock, new() { ["self"] = self, ["product"] = self });
    }
}
