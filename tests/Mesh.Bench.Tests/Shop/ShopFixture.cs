using System.Net;
using System.Net.Http.Json;
using Mesh.Shop.Hosting;
using Microsoft.AspNetCore.Builder;

namespace Mesh.Bench.Tests.Shop;

/// <summary>The three services in this process, on ports the system chose, without sidecars.</summary>
internal sealed class ShopFixture : IAsyncDisposable
{
    private readonly SocketsHttpHandler _handler = new() { UseProxy = false };
    private readonly List<WebApplication> _apps = [];

    public HttpClient Http { get; } = new(new SocketsHttpHandler { UseProxy = false }) { Timeout = TimeSpan.FromSeconds(10) };

    public Uri Products { get; private set; } = null!;

    public Uri Delivery { get; private set; } = null!;

    public Uri Orders { get; private set; } = null!;

    /// <summary>Starts all three.</summary>
    /// <param name="time">Clock of products.</param>
    /// <param name="deliveryUrl">Where orders finds delivery, if not at delivery.</param>
    public static async Task<ShopFixture> StartAsync(TimeProvider? time = null, Uri? deliveryUrl = null)
    {
        ShopFixture shop = new();
        shop.Products = await shop.StartAsync(ShopRole.Products, time);
        shop.Delivery = await shop.StartAsync(ShopRole.Delivery, null);
        shop.Delivery = deliveryUrl ?? shop.Delivery;
        shop.Orders = await shop.StartAsync(ShopRole.Orders, null);
        return shop;
    }

    public Task<HttpResponseMessage> OrderAsync(long quantity = 1) => PostAsync(new Uri(Orders, "/orders"), $$"""{"productId":2,"quantity":{{quantity}}}""");

    public Task<HttpResponseMessage> PostAsync(Uri url, string json) => Http.PostAsync(url, Json(json));

    public async Task ControlAsync(string json)
    {
        using HttpResponseMessage answer = await Http.PutAsync(new Uri(Products, "/control"), Json(json));
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
    }

    public async Task<System.Text.Json.Nodes.JsonNode> GetAsync(Uri root, string path) =>
        (await Http.GetFromJsonAsync<System.Text.Json.Nodes.JsonNode>(new Uri(root, path)))!;

    public async ValueTask DisposeAsync()
    {
        foreach (WebApplication app in _apps)
        {
            await app.DisposeAsync();
        }

        Http.Dispose();
        _handler.Dispose();
    }

    private static StringContent Json(string text) => new(text, System.Text.Encoding.UTF8, "application/json");

    /// <summary>Starts a relay in front of <paramref name="next"/>.</summary>
    public Task<Uri> StartRelayAsync(Uri next) => StartAsync(ShopRole.Relay, null, next);

    private async Task<Uri> StartAsync(ShopRole role, TimeProvider? time, Uri? next = null)
    {
        Uri none = new("http://127.0.0.1:1");
        ShopOptions options = new(role, new IPEndPoint(IPAddress.Loopback, 0), Products ?? none, Delivery ?? none, next ?? none, role.ToString());
        WebApplication app = ShopHost.Build(options, _handler, time ?? TimeProvider.System);
        _apps.Add(app);
        await app.StartAsync();
        return ShopHost.AddressOf(app);
    }
}
