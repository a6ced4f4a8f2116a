using System.Text.Json.Serialization;
using Mesh.Shop.Delivery;
using Mesh.Shop.Orders;
using Mesh.Shop.Products;

namespace Mesh.Shop.Hosting;

/// <summary>A link.</summary>
internal sealed record Link(string Href);

/// <summary>Body of <c>/actuator/health</c>.</summary>
internal sealed record HealthBody(string Status);

/// <summary>Body of every error.</summary>
internal sealed record ErrorBody(int Status, string Error, string Message, string Path);

/// <summary>Every body of the shop; no reflection.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(HealthBody))]
[JsonSerializable(typeof(ErrorBody))]
[JsonSerializable(typeof(Product))]
[JsonSerializable(typeof(ProductChange))]
[JsonSerializable(typeof(QuantityBody))]
[JsonSerializable(typeof(ProductResource))]
[JsonSerializable(typeof(ProductList))]
[JsonSerializable(typeof(ControlBody))]
[JsonSerializable(typeof(ControlReport))]
[JsonSerializable(typeof(OrderBody))]
[JsonSerializable(typeof(OrderResource))]
[JsonSerializable(typeof(OrderList))]
[JsonSerializable(typeof(DeliveryBody))]
[JsonSerializable(typeof(DeliveryResource))]
[JsonSerializable(typeof(DeliveryList))]
internal sealed partial class ShopJson : JsonSerializerContext;
