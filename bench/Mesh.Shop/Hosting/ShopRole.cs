namespace Mesh.Shop.Hosting;

/// <summary>Which of the three services a process is.</summary>
internal enum ShopRole
{
    /// <summary>Takes orders from users.</summary>
    Orders,

    /// <summary>Delivers, and takes what was delivered off the stock.</summary>
    Delivery,

    /// <summary>Holds the stock.</summary>
    Products,
}
