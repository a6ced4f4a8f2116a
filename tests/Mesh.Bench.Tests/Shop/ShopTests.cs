using System.Net;
using System.Text.Json.Nodes;
using Mesh.Shop.Hosting;
using Mesh.Testing;

namespace Mesh.Bench.Tests.Shop;

public sealed class ShopTests
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(10);

    [Fact]
    public async Task Order_AllWell_Is201WithThreeCallsToProducts()
    {
        await using ShopFixture shop = await ShopFixture.StartAsync();
        using HttpResponseMessage answer = await shop.OrderAsync();
        Assert.Equal(HttpStatusCode.Created, answer.StatusCode);
        JsonNode order = JsonNode.Parse(await answer.Content.ReadAsStringAsync())!;
        Assert.Equal("MASK", (string?)order["productName"]);
        Assert.EndsWith("/orders/1", (string?)order["_links"]!["self"]!["href"], StringComparison.Ordinal);
        JsonNode control = await shop.GetAsync(shop.Products, "/control");
        Assert.Equal(3, (int)control["requests"]!);
        Assert.Equal(3, (int)control["answers"]!["200"]!);
        Assert.Equal(1_999_999, (int)control["maskStock"]!);
    }

    [Fact]
    public async Task Relay_AnswersWhatTheNextSays()
    {
        await using ShopFixture shop = await ShopFixture.StartAsync();
        Uri relay = await shop.StartRelayAsync(await shop.StartRelayAsync(shop.Products));
        Assert.Equal(2_000_000, (int)(await shop.GetAsync(relay, "/product/2"))["stock"]!);
        await shop.ControlAsync("""{"mode":"fail","status":503}""");
        using HttpResponseMessage failed = await shop.Http.GetAsync(new Uri(relay, "/product/2"));
        Assert.Equal(HttpStatusCode.ServiceUnavailable, failed.StatusCode);
        using HttpResponseMessage nobody = await shop.Http.GetAsync(new Uri(await shop.StartRelayAsync(new Uri("http://127.0.0.1:1")), "/x"));
        Assert.Equal(HttpStatusCode.InternalServerError, nobody.StatusCode);
    }

    [Fact]
    public async Task Order_DeliveryCannotBeReached_Is500AndRolledBack()
    {
        await using ShopFixture shop = await ShopFixture.StartAsync(deliveryUrl: new Uri("http://127.0.0.1:1"));
        using HttpResponseMessage answer = await shop.OrderAsync();
        Assert.Equal(HttpStatusCode.InternalServerError, answer.StatusCode);
        Assert.Empty((await shop.GetAsync(shop.Orders, "/orders"))["_embedded"]!["orders"]!.AsArray());
    }

    [Fact]
    public async Task Order_ProductsFails_UserSees500WhateverTheCause()
    {
        await using ShopFixture shop = await ShopFixture.StartAsync();
        await shop.ControlAsync("""{"mode":"fail","status":503}""");
        using HttpResponseMessage answer = await shop.OrderAsync();
        Assert.Equal(HttpStatusCode.InternalServerError, answer.StatusCode);
        Assert.Contains("503", await answer.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        Assert.Equal(1, (int)(await shop.GetAsync(shop.Products, "/control"))["answers"]!["503"]!);
    }

    [Fact]
    public async Task Order_MoreThanTheStock_Is500()
    {
        await using ShopFixture shop = await ShopFixture.StartAsync();
        using HttpResponseMessage answer = await shop.OrderAsync(2_000_001);
        Assert.Equal(HttpStatusCode.InternalServerError, answer.StatusCode);
        Assert.Contains("No Available stock!", await answer.Content.ReadAsStringAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Stock_TwoReadThenBothWrite_OneUpdateIsLost()
    {
        await using ShopFixture shop = await ShopFixture.StartAsync();
        long first = (long)(await shop.GetAsync(shop.Products, "/products/2"))["stock"]!;
        long second = (long)(await shop.GetAsync(shop.Products, "/products/2"))["stock"]!;
        foreach (long read in (long[])[first, second])
        {
            using StringContent body = new($$"""{"stock":{{read - 1}}}""", System.Text.Encoding.UTF8, "application/json");
            using HttpResponseMessage answer = await shop.Http.PatchAsync(new Uri(shop.Products, "/products/2"), body);
            answer.EnsureSuccessStatusCode();
        }

        Assert.Equal(1_999_999, (long)(await shop.GetAsync(shop.Products, "/product/2"))["stock"]!);
    }

    [Fact]
    public async Task Products_AtStart_AreTheFiveOfTheOriginal()
    {
        await using ShopFixture shop = await ShopFixture.StartAsync();
        JsonArray rows = (await shop.GetAsync(shop.Products, "/products"))["_embedded"]!["products"]!.AsArray();
        Assert.Equal(["TV 10000 1000000", "MASK 20000 2000000", "NOTEBOOK 30000 3000000", "TABLE 40000 4000000", "CLOCK 50000 5000000"],
            rows.Select(static r => $"{r!["name"]} {r["price"]} {r["stock"]}"));
    }

    [Fact]
    public async Task DecreaseStock_Call_SleepsHalfASecond()
    {
        FakeTimeProvider time = new();
        await using ShopFixture shop = await ShopFixture.StartAsync(time);
        using StringContent body = new("""{"quantity":3}""", System.Text.Encoding.UTF8, "application/json");
        Task<HttpResponseMessage> call = shop.Http.PutAsync(new Uri(shop.Products, "/product/decreaseStock/2"), body);
        while (time.ArmedTimers == 0)
        {
            await Task.Yield();
        }

        time.Advance(TimeSpan.FromMilliseconds(499));
        Assert.False(call.IsCompleted);
        time.Advance(TimeSpan.FromMilliseconds(1));
        using HttpResponseMessage answer = await call.WaitAsync(Limit);
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        Assert.Equal(1_999_997, (long)(await shop.GetAsync(shop.Products, "/product/2"))["stock"]!);
    }

    [Fact]
    public async Task Control_Hang_AnswersWhenTheModeChanges()
    {
        await using ShopFixture shop = await ShopFixture.StartAsync();
        await shop.ControlAsync("""{"mode":"hang"}""");
        Task<JsonNode> call = shop.GetAsync(shop.Products, "/product/2");
        while ((int)(await shop.GetAsync(shop.Products, "/control"))["active"]! == 0)
        {
            await Task.Yield();
        }

        Assert.False(call.IsCompleted);
        await shop.ControlAsync("""{"mode":"ok"}""");
        Assert.Equal("MASK", (string?)(await call.WaitAsync(Limit))["name"]);
    }

    [Fact]
    public async Task Products_UnknownIdAndBadBody_AreTheCallersFault()
    {
        await using ShopFixture shop = await ShopFixture.StartAsync();
        using HttpResponseMessage missing = await shop.Http.GetAsync(new Uri(shop.Products, "/products/77"));
        using HttpResponseMessage bad = await shop.PostAsync(new Uri(shop.Orders, "/orders"), "{");
        Assert.Equal((HttpStatusCode.NotFound, HttpStatusCode.BadRequest), (missing.StatusCode, bad.StatusCode));
        Assert.Equal("Products", missing.Headers.GetValues("x-shop-instance").Single());
    }

    [Theory]
    [InlineData("name the service first")]
    [InlineData("not 'basket'", "basket")]
    [InlineData("--listen: 'x' is not right", "orders", "--listen", "x")]
    [InlineData("--products-url: '' is not right", "orders", "--products-url")]
    [InlineData("unknown option '--colour'", "orders", "--colour", "red")]
    public void Options_Mistake_NamesIt(string message, params string[] args)
    {
        Assert.Null(ShopOptions.Parse(args, out string error));
        Assert.Contains(message, error, StringComparison.Ordinal);
    }
}
