using System.Diagnostics;
using System.Runtime.InteropServices;

namespace Mesh.Integration.Tests;

/// <summary>One real process of ours on loopback ports of the system's choice. Ends only itself, always.</summary>
internal sealed class MeshProcess : IAsyncDisposable
{
    private const int SigTerm = 15;
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);
    private readonly Process _process;
    private readonly Lock _gate = new();
    private readonly List<string> _output = [];
    private readonly List<string> _errors = [];

    private MeshProcess(string project, IEnumerable<string> arguments, IReadOnlyDictionary<string, string>? environment, int descriptors = 0)
    {
        ProcessStartInfo start = Program(project, descriptors);
        start.RedirectStandardOutput = true;
        start.RedirectStandardError = true;
        start.RedirectStandardInput = true;
        foreach (string argument in arguments)
        {
            start.ArgumentList.Add(argument);
        }

        start.Environment.Remove("http_proxy");
        foreach ((string key, string value) in environment ?? new Dictionary<string, string>())
        {
            start.Environment[key] = value;
        }

        _process = new Process { StartInfo = start };
        _process.OutputDataReceived += (_, e) => Keep(_output, e.Data);
        _process.ErrorDataReceived += (_, e) => Keep(_errors, e.Data);
        _process.Start();
        _process.BeginOutputReadLine();
        _process.BeginErrorReadLine();
    }

    public string Output => Text(_output);

    public string Errors => Text(_errors);

    public static MeshProcess Start(string project, params string[] arguments) => new(project, arguments, null);

    public static MeshProcess Start(string project, IReadOnlyDictionary<string, string> environment, params string[] arguments) =>
        new(project, arguments, environment);

    /// <summary>A sidecar with every listener on port 0.</summary>
    public static MeshProcess Sidecar(params string[] arguments) => Start("Mesh.Sidecar", OnPortZero(arguments));

    /// <summary>The same with at most <paramref name="descriptors"/> open files.</summary>
    public static MeshProcess PoorSidecar(int descriptors, params string[] arguments) => new("Mesh.Sidecar", OnPortZero(arguments), null, descriptors);

    /// <summary>The address printed as <c>name listening on http://…</c>.</summary>
    public async Task<Uri> AddressAsync(string name)
    {
        string prefix = name + " listening on ";
        string? line = null;
        await Eventually.TrueAsync(
            () => (line = Lines(_output).Find(l => l.StartsWith(prefix, StringComparison.Ordinal))) is not null || _process.HasExited,
            () => $"'{prefix}…' was not printed; errors: {Errors}");
        return line is null
            ? throw new InvalidOperationException($"the process ended with {_process.ExitCode} before '{prefix}…': {Errors}")
            : new Uri(line[prefix.Length..]);
    }

    public async Task<int> ExitCodeAsync()
    {
        await _process.WaitForExitAsync().WaitAsync(Patience);
        return _process.ExitCode;
    }

    public void Terminate() => _ = kill(_process.Id, SigTerm);

    public async Task KillAsync()
    {
        if (!_process.HasExited)
        {
            _process.Kill();
        }

        await _process.WaitForExitAsync().WaitAsync(Patience);
    }

    public async ValueTask DisposeAsync()
    {
        await KillAsync();
        _process.Dispose();
    }

    [DllImport("libc")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int kill(int pid, int signal);

    private static string[] OnPortZero(string[] arguments) =>
    [
        "run", .. arguments, "--outbound", "127.0.0.1:0", "--inbound", "127.0.0.1:0", "--admin", "127.0.0.1:0",
        "--health", "127.0.0.1:0", "--metrics", "127.0.0.1:0",
    ];

    // MESH_SIDECAR names another sidecar to test than this build's, for example the one published natively.
    private static ProcessStartInfo Program(string project, int descriptors)
    {
        string dotnet = Environment.ProcessPath is { } host && Path.GetFileNameWithoutExtension(host) == "dotnet" ? host : "dotnet";

        // artifacts/bin/<test project>/<configuration>/ stands beside artifacts/bin/<project>/<configuration>/
        DirectoryInfo here = new(AppContext.BaseDirectory.TrimEnd('/'));
        string dll = Path.Combine(here.Parent!.Parent!.FullName, project, here.Name, project + ".dll");
        string[] command = project == "Mesh.Sidecar" && Environment.GetEnvironmentVariable("MESH_SIDECAR") is { Length: > 0 } sidecar ? [sidecar] : [dotnet, dll];
        return descriptors == 0
            ? new ProcessStartInfo(command[0], command[1..])
            : new ProcessStartInfo("bash", ["-c", $"ulimit -n {descriptors}; exec \"$0\" \"$@\"", .. command]); // the process keeps its id
    }

    private void Keep(List<string> lines, string? line)
    {
        if (line is not null)
        {
            lock (_gate)
            {
                lines.Add(line);
            }
        }
    }

    private List<string> Lines(List<string> lines)
    {
        lock (_gate)
        {
            return [.. lines];
        }
    }

    private string Text(List<string> lines) => string.Join('\n', Lines(lines));
}
