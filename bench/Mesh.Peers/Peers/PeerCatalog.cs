using Mesh.Lab.Processes;
using Mesh.Peers.CommandLine;
using Mesh.Peers.Processes;

namespace Mesh.Peers.Peers;

/// <summary>The peers of a command line that this machine has.</summary>
internal static class PeerCatalog
{
    private static readonly string[] StreamModules = ["/usr/lib/nginx/modules/ngx_stream_module.so", "/usr/lib64/nginx/modules/ngx_stream_module.so"];

    /// <summary>Finds the proxies; what is not installed is named in <paramref name="hints"/> and left out. The sidecar is last.</summary>
    public static List<IPeer> Find(PeersOptions options, List<string> hints)
    {
        List<IPeer> found = [];
        foreach (string name in options.Peers)
        {
            if (name is "haproxy" or "nginx" && Tools.Find(name) is null)
            {
                hints.Add(Tools.Hint(name));
            }
            else if (name != "direct")
            {
                found.Add(Create(name, options, hints));
            }
        }

        if (options.Before is { } before)
        {
            found.Add(new SidecarPeer(Path.GetFullPath(before), !IsAssembly(before), SidecarPeer.BeforeName));
        }

        found.Add(new SidecarPeer(Own(options), options.IsNative));
        return found;
    }

    private static IPeer Create(string name, PeersOptions options, List<string> hints)
    {
        switch (name)
        {
            case "haproxy":
                return new HaproxyPeer(Tools.Find(name)!);
            case "nginx":
                string? module = StreamModules.FirstOrDefault(File.Exists);
                if (module is null && options.Full)
                {
                    hints.Add(Tools.Hint("libnginx-mod-stream"));
                }

                return new NginxPeer(Tools.Find(name)!, module);
            case SidecarPeer.RoutesName:
                return new SidecarPeer(Own(options), options.IsNative, SidecarPeer.RoutesName);
            case SidecarPeer.ResilienceName:
                return new SidecarPeer(Own(options), options.IsNative, SidecarPeer.ResilienceName);
            default:
                return new ForwarderPeer();
        }
    }

    private static string Own(PeersOptions options) => options.Sidecar is { } file ? Path.GetFullPath(file) : Executables.Assembly("Mesh.Sidecar");

    private static bool IsAssembly(string file) => file.EndsWith(".dll", StringComparison.OrdinalIgnoreCase);
}
