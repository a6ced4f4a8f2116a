using System.Net.Sockets;
using System.Reflection;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.Hosting;

namespace Mesh.Shop.Hosting;

/// <summary>The command <c>mesh-shop</c>.</summary>
internal static class ShopProgram
{
    /// <summary>Runs until SIGTERM or Ctrl-C. Returns the exit code: 0, 1 when the machine refuses, 2 for wrong options.</summary>
    public static async Task<int> RunAsync(string[] args, TextWriter output, TextWriter errors)
    {
        if (args is ["--help" or "-h"])
        {
            await output.WriteLineAsync(ShopOptions.Usage);
            return 0;
        }

        if (args is ["--version"])
        {
            await output.WriteLineAsync($"mesh-shop {Assembly.GetExecutingAssembly().GetName().Version?.ToString(3)}");
            return 0;
        }

        if (ShopOptions.Parse(args, out string error) is not { } options)
        {
            await errors.WriteLineAsync($"mesh-shop: {error}");
            return 2;
        }

        using SocketsHttpHandler handler = new();
        await using WebApplication app = ShopHost.Build(options, handler, TimeProvider.System);
        try
        {
            await app.StartAsync();
        }
        catch (Exception e) when (e is IOException or SocketException)
        {
            await errors.WriteLineAsync($"mesh-shop: cannot listen on {options.Listen}: {e.Message}");
            return 1;
        }

        await output.WriteLineAsync($"{args[0].ToLowerInvariant()} listening on {ShopHost.AddressOf(app).GetLeftPart(UriPartial.Authority)}");
        await output.FlushAsync();
        await app.WaitForShutdownAsync();
        return 0;
    }
}
