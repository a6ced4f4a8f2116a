namespace Mesh.Shop.Hosting;

/// <summary>Which of the services a process is.</summary>
internal enum ShopRole
{
    /// <summary>Takes orders from users.</summary>
    Orders,

    /// <summary>Delivers, and takes what was delivered off the stock.</summary>
    Delivery,

    /// <summary>Holds the stock.</summary>
    Products,

    /// <summary>Passes every GET on to the next service: a layer between others, for the labs about retries.</summary>
    Relay,
}
