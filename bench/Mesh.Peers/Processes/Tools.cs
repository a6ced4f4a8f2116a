namespace Mesh.Peers.Processes;

/// <summary>Programs of the system that the comparison uses.</summary>
internal static class Tools
{
    private static readonly string[] AlsoHere = ["/usr/sbin", "/usr/local/sbin", "/sbin"];

    /// <summary>The file of a program, or null when it is not installed.</summary>
    public static string? Find(string name) =>
        (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':', StringSplitOptions.RemoveEmptyEntries)
            .Concat(AlsoHere)
            .Select(folder => Path.Combine(folder, name))
            .FirstOrDefault(File.Exists);

    /// <summary>One line that says how to get a program.</summary>
    public static string Hint(string name) => name switch
    {
        "h2load" => "h2load is not installed, so there is no fixed rate: apt-get install nghttp2-client",
        "strace" => "strace is not installed, so calls to the kernel are not counted: apt-get install strace",
        "taskset" => "taskset is needed to pin processes: apt-get install util-linux",
        "wrk" => "wrk is needed, it makes the load: apt-get install wrk",
        "libnginx-mod-stream" => "nginx has no stream module, so it relays no TCP: apt-get install libnginx-mod-stream",
        _ => $"{name} is not installed and left out: apt-get install {name}",
    };
}
