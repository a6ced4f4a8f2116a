using System.Net;

namespace Mesh.Integration.Tests;

/// <summary>Clients that call through a sidecar, and readers of what it reports.</summary>
internal static class Proxied
{
    public static HttpClient Client(Uri outbound) =>
        new(new SocketsHttpHandler { Proxy = new WebProxy(outbound), UseProxy = true }) { Timeout = TimeSpan.FromSeconds(30) };

    public static HttpClient Direct() => new(new SocketsHttpHandler { UseProxy = false }) { Timeout = TimeSpan.FromSeconds(30) };

    /// <summary>One number of a metrics page; labels are matched as text. 0 when there is no such line.</summary>
    public static async Task<double> MetricAsync(Uri metrics, string name, string labels = "", string page = "/stats/prometheus")
    {
        using HttpClient client = Direct();
        string text = await client.GetStringAsync(new Uri(metrics, page));
        double sum = 0;
        foreach (string line in text.Split('\n'))
        {
            if (line.StartsWith(name, StringComparison.Ordinal) && line[name.Length] is ' ' or '{' && line.Contains(labels, StringComparison.Ordinal))
            {
                sum += double.Parse(line[(line.LastIndexOf(' ') + 1)..], System.Globalization.CultureInfo.InvariantCulture);
            }
        }

        return sum;
    }

    /// <summary>Every test of a sidecar ends with this: exceptions that only a bug can cause did not happen.</summary>
    public static async Task AssertNoBugAsync(MeshProcess sidecar)
    {
        double count = await MetricAsync(await sidecar.AddressAsync("metrics"), "envoy_server_unexpected_exception_total");
        Xunit.Assert.True(count == 0, $"{count} unexpected exceptions: {sidecar.Errors}");
    }
}
