using System.Net;

namespace Mesh.Shop.Hosting;

/// <summary>What the command line says.</summary>
/// <param name="Role">The service.</param>
/// <param name="Listen">Where it listens; port 0 lets the system choose.</param>
/// <param name="ProductsUrl">Where orders and delivery find products.</param>
/// <param name="DeliveryUrl">Where orders finds delivery.</param>
/// <param name="NextUrl">Where relay sends its calls.</param>
/// <param name="Instance">Value of the <c>x-shop-instance</c> header.</param>
internal sealed record ShopOptions(ShopRole Role, IPEndPoint Listen, Uri ProductsUrl, Uri DeliveryUrl, Uri NextUrl, string Instance)
{
    /// <summary>Text of <c>--help</c>.</summary>
    public const string Usage = """
        usage: mesh-shop orders|delivery|products|relay [--listen 127.0.0.1:0] [--products-url URL] [--delivery-url URL] [--next-url URL] [--instance ID]

          --listen IP:PORT       where to listen; port 0: the system chooses (127.0.0.1:0)
          --products-url URL     where products is (http://products:8080)
          --delivery-url URL     where delivery is (http://delivery:8080)
          --next-url URL         where relay sends its calls (http://products:8080)
          --instance ID          value of the x-shop-instance header (ROLE-PID)

        Outgoing calls use http_proxy. products is told to fail with PUT /control {"mode":"ok|fail|hang|slow","status":500,"delayMs":20};
        GET /control returns its own counts, DELETE /control sets them to zero.
        """;

    /// <summary>Reads the command line; a mistake is a sentence in <paramref name="error"/>.</summary>
    public static ShopOptions? Parse(IReadOnlyList<string> args, out string error)
    {
        error = "";
        if (args.Count == 0 || !Enum.TryParse(args[0], ignoreCase: true, out ShopRole role) || !Enum.IsDefined(role) || char.IsDigit(args[0][0]))
        {
            error = $"name the service first: orders, delivery, products or relay{(args.Count == 0 ? "" : $", not '{args[0]}'")}";
            return null;
        }

        string name = role.ToString().ToLowerInvariant();
        ShopOptions options = new(
            role, new IPEndPoint(IPAddress.Loopback, 0), new Uri("http://products:8080"), new Uri("http://delivery:8080"), new Uri("http://products:8080"), $"{name}-{Environment.ProcessId}");
        for (int i = 1; i < args.Count; i += 2)
        {
            string? value = i + 1 < args.Count ? args[i + 1] : null;
            if (options.With(args[i], value, out error) is not { } next)
            {
                return null;
            }

            options = next;
        }

        return options;
    }

    private ShopOptions? With(string option, string? value, out string error)
    {
        error = "";
        switch (option)
        {
            case "--listen" when value is not null && IPEndPoint.TryParse(value, out IPEndPoint? listen) && value.Contains(':', StringComparison.Ordinal):
                return this with { Listen = listen };
            case "--products-url" when IsUrl(value, out Uri? url):
                return this with { ProductsUrl = url };
            case "--delivery-url" when IsUrl(value, out Uri? url):
                return this with { DeliveryUrl = url };
            case "--next-url" when IsUrl(value, out Uri? url):
                return this with { NextUrl = url };
            case "--instance" when !string.IsNullOrEmpty(value):
                return this with { Instance = value };
            case "--listen" or "--products-url" or "--delivery-url" or "--next-url" or "--instance":
                error = $"{option}: '{value}' is not right; write {(option == "--listen" ? "IP:PORT" : option == "--instance" ? "a name" : "an http:// URL")}";
                return null;
            default:
                error = $"unknown option '{option}'; see --help";
                return null;
        }
    }

    private static bool IsUrl(string? value, [System.Diagnostics.CodeAnalysis.NotNullWhen(true)] out Uri? url) =>
        Uri.TryCreate(value, UriKind.Absolute, out url) && url.Scheme == "http";
}
