using Mesh.Shop.Hosting;

namespace Mesh.Shop.Products;

/// <summary>
/// The table of products. Each single change is atomic, as in a database; a reader that writes back an absolute stock may still overwrite
/// somebody's change. Thread-safe.
/// </summary>
internal sealed class ProductCatalog
{
    private static readonly string[] Names = ["TV", "MASK", "NOTEBOOK", "TABLE", "CLOCK"];
    private readonly Lock _gate = new();
    private readonly SortedDictionary<long, Product> _rows = [];

    /// <summary>Five products: price 10000 and stock one million times the id.</summary>
    public ProductCatalog()
    {
        for (int i = 0; i < Names.Length; i++)
        {
            _rows.Add(i + 1, new Product(i + 1, Names[i], (i + 1) * 10_000, (i + 1) * 1_000_000L));
        }
    }

    /// <summary>All rows by id.</summary>
    public Product[] All()
    {
        lock (_gate)
        {
            return [.. _rows.Values];
        }
    }

    /// <summary>One row; 404 if there is none.</summary>
    public Product Get(long id)
    {
        lock (_gate)
        {
            return _rows.TryGetValue(id, out Product? row) ? row : throw new ShopException(404, $"there is no product {id}");
        }
    }

    /// <summary>Adds a row with the next id.</summary>
    public Product Add(ProductChange row)
    {
        lock (_gate)
        {
            long id = _rows.Keys.Last() + 1;
            return _rows[id] = new Product(id, row.Name ?? "", row.Price ?? 0, row.Stock ?? 0);
        }
    }

    /// <summary>Replaces the values that <paramref name="change"/> has.</summary>
    public Product Change(long id, ProductChange change)
    {
        lock (_gate)
        {
            Product row = Get(id);
            return _rows[id] = row with { Name = change.Name ?? row.Name, Price = change.Price ?? row.Price, Stock = change.Stock ?? row.Stock };
        }
    }

    /// <summary>Adds <paramref name="quantity"/> to the stock.</summary>
    public Product AddStock(long id, long quantity)
    {
        lock (_gate)
        {
            Product row = Get(id);
            return _rows[id] = row with { Stock = row.Stock + quantity };
        }
    }
}
