using System.Text.Json.Serialization;
using Mesh.Shop.Hosting;

namespace Mesh.Shop.Products;

/// <summary>A row of the stock, and the body of <c>/product/{id}</c>.</summary>
internal sealed record Product(long Id, string Name, int Price, long Stock);

/// <summary>A partial change of a row: what is null stays.</summary>
internal sealed record ProductChange(string? Name = null, int? Price = null, long? Stock = null);

/// <summary>Body of <c>/product/decreaseStock/{id}</c> and <c>/product/increaseStock/{id}</c>.</summary>
internal sealed record QuantityBody(long Quantity);

/// <summary>A row as the repository routes show it: no id, but links.</summary>
internal sealed record ProductResource(string Name, int Price, long Stock, [property: JsonPropertyName("_links")] Dictionary<string, Link> Links);

/// <summary>Body of <c>/products</c>.</summary>
internal sealed record ProductList(
    [property: JsonPropertyName("_embedded")] Dictionary<string, ProductResource[]> Embedded,
    [property: JsonPropertyName("_links")] Dictionary<string, Link> Links,
    Page Page);

/// <summary>Where a list stands in the whole; the shop always returns the whole.</summary>
internal sealed record Page(int Size, int TotalElements, int TotalPages, int Number);
