namespace Mesh.Peers.Peers;

/// <summary>HAProxy with one thread. With <paramref name="splices"/> it may move TCP bytes inside the kernel.</summary>
internal sealed class HaproxyPeer(string file, bool splices = false) : IPeer
{
    public string Name => splices ? "haproxy-splice" : "haproxy";

    public string Runtime => "native";

    public TimeSpan WarmUp => TimeSpan.FromSeconds(2);

    public string? MetricsPath => null;

    public string? TcpHost => "127.0.0.1";

    public (string File, IReadOnlyList<string> Args) Prepare(PeerPlace place)
    {
        string path = Path.Combine(place.Folder, "haproxy.cfg");
        File.WriteAllText(path, $"""
            global
                nbthread {place.Concurrency}
                maxconn {place.MostClients}
                no strict-limits

            defaults
                mode http
                timeout connect 5s
                timeout client 1h
                timeout server 1h
                http-reuse always

            frontend http
                bind 127.0.0.1:{place.Port} backlog 4096
                option forwardfor
                default_backend http

            backend http
                server one 127.0.0.1:{place.BackendPort}

            listen tcp
                mode tcp
                {(splices ? "option splice-response\n    option splice-request" : "")}
                bind 127.0.0.1:{place.TcpPort}
                server one 127.0.0.1:{place.BulkPort}

            """);
        return (file, ["-db", "-f", path]);
    }
}
