using System.Collections.Immutable;
using System.Text.Json;

namespace Mesh.Sidecar.Agent;

/// <summary>How a probe of kubelet's is made.</summary>
internal enum ProbeKind
{
    /// <summary>A GET; its status is passed on.</summary>
    Http,

    /// <summary>A connection, closed again.</summary>
    Tcp,

    /// <summary>The question of gRPC's health service.</summary>
    Grpc,
}

/// <summary>A probe of the application as its pod had it before injection (semantics 9.7).</summary>
/// <param name="Kind">How it is made.</param>
/// <param name="Port">Port of the application.</param>
internal sealed record AppProbe(ProbeKind Kind, int Port)
{
    /// <summary>Path and query of a GET.</summary>
    public string Path { get; init; } = "/";

    /// <summary>Whether the GET goes over TLS. Nobody verifies the certificate, as kubelet does not.</summary>
    public bool IsTls { get; init; }

    /// <summary>Headers of the GET.</summary>
    public ImmutableArray<(string Name, string Value)> Headers { get; init; } = [];

    /// <summary>Service that gRPC's health service is asked about; empty for the whole server.</summary>
    public string Service { get; init; } = "";

    /// <summary>Longest wait; kubelet's default is a second.</summary>
    public TimeSpan Timeout { get; init; } = TimeSpan.FromSeconds(1);
}

/// <summary>Reads probes from the JSON in which the injection hands them over: Istio's shape, which is Kubernetes' by path. Pure.</summary>
internal static class AppProbes
{
    private static readonly ImmutableDictionary<string, AppProbe> None = ImmutableDictionary<string, AppProbe>.Empty;

    /// <summary>False when <paramref name="json"/> is no object of probes; an empty text is none.</summary>
    public static bool TryRead(string json, out ImmutableDictionary<string, AppProbe> probes)
    {
        probes = None;
        if (json.Length == 0)
        {
            return true;
        }

        try
        {
            using JsonDocument document = JsonDocument.Parse(json);
            probes = document.RootElement.EnumerateObject().ToImmutableDictionary(static p => p.Name, static p => Read(p.Value), StringComparer.Ordinal);
            return true;
        }
        catch (Exception wrong) when (wrong is JsonException or InvalidOperationException or KeyNotFoundException or FormatException or ArgumentException)
        {
            probes = None;
            return false; // what is handed over is Kubernetes' own shape: a place in it would tell nobody more than the whole
        }
    }

    private static AppProbe Read(JsonElement probe)
    {
        bool isHttp = probe.TryGetProperty("httpGet", out JsonElement handler);
        bool isTcp = !isHttp && probe.TryGetProperty("tcpSocket", out handler);
        handler = isHttp || isTcp ? handler : probe.GetProperty("grpc");
        int port = handler.GetProperty("port").GetInt32();
        if (port is <= 0 or > 65535)
        {
            throw new FormatException("no port");
        }

        string path = Text(handler, "path");
        return new AppProbe(isHttp ? ProbeKind.Http : isTcp ? ProbeKind.Tcp : ProbeKind.Grpc, port)
        {
            Path = path.StartsWith('/') ? path : "/" + path,
            IsTls = Text(handler, "scheme").Equals("https", StringComparison.OrdinalIgnoreCase),
            Service = Text(handler, "service"),
            Headers = handler.TryGetProperty("httpHeaders", out JsonElement headers)
                ? [.. headers.EnumerateArray().Select(static h => (Text(h, "name"), Text(h, "value")))] : [],
            Timeout = TimeSpan.FromSeconds(probe.TryGetProperty("timeoutSeconds", out JsonElement seconds) ? Math.Clamp(seconds.GetInt32(), 1, 3600) : 1),
        };
    }

    private static string Text(JsonElement element, string name) => element.TryGetProperty(name, out JsonElement value) ? value.GetString() ?? "" : "";
}
