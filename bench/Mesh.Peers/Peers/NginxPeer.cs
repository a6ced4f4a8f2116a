namespace Mesh.Peers.Peers;

/// <summary>nginx with one worker.</summary>
/// <param name="file">Program.</param>
/// <param name="streamModule">File of its stream module; null: it relays no TCP.</param>
internal sealed class NginxPeer(string file, string? streamModule) : IPeer
{
    public string Name => "nginx";

    public string Runtime => "native";

    public TimeSpan WarmUp => TimeSpan.FromSeconds(2);

    public string? MetricsPath => null;

    public string? TcpHost => streamModule is null ? null : "127.0.0.1";

    public (string File, IReadOnlyList<string> Args) Prepare(PeerPlace place)
    {
        string path = Path.Combine(place.Folder, "nginx.conf");
        string module = streamModule is null ? "" : $"load_module {streamModule};";
        string user = Environment.UserName == "root" ? "user root;" : "";
        string stream = streamModule is null
            ? ""
            : $$"""stream { server { listen 127.0.0.1:{{place.TcpPort}}; proxy_pass 127.0.0.1:{{place.BulkPort}}; } }""";
        File.WriteAllText(path, $$"""
            {{module}}
            {{user}}
            worker_processes {{place.Concurrency}};
            daemon off;
            pid {{place.Folder}}/nginx.pid;
            error_log {{place.Folder}}/error.log;
            events { worker_connections {{place.MostClients + 1024}}; }
            http {
                access_log off;
                client_body_temp_path {{place.Folder}}/body;
                proxy_temp_path {{place.Folder}}/proxy;
                keepalive_timeout 1h;
                keepalive_requests 1000000000;
                upstream backend {
                    server 127.0.0.1:{{place.BackendPort}};
                    keepalive 256;
                    keepalive_requests 1000000000;
                    keepalive_timeout 1h;
                }
                server {
                    listen 127.0.0.1:{{place.Port}} backlog=4096;
                    location / {
                        proxy_pass http://backend;
                        proxy_http_version 1.1;
                        proxy_set_header Connection "";
                        proxy_set_header Host $http_host;
                        proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
                    }
                }
            }
            {{stream}}

            """);
        return (file, ["-c", path, "-p", place.Folder]);
    }
}
