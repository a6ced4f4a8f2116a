using System.Collections.Concurrent;
using System.Diagnostics;
using System.Text.RegularExpressions;

namespace Mesh.Lab.Processes;

/// <summary>
/// One program the lab started. Its output goes to a log file; lines <c>NAME listening on URL</c> become <see cref="AddressAsync"/>.
/// Ends with this object, whatever happens.
/// </summary>
internal sealed partial class ChildProcess : IAsyncDisposable
{
    private static readonly TimeSpan StartTime = TimeSpan.FromSeconds(30);
    private static readonly string[] ProxySettings = ["http_proxy", "https_proxy", "all_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"];
    private readonly Process _process;
    private readonly StreamWriter _log;
    private readonly Lock _logGate = new();
    private readonly ConcurrentDictionary<string, TaskCompletionSource<Uri>> _addresses = new(StringComparer.Ordinal);

    private ChildProcess(string name, Process process, StreamWriter log)
    {
        Name = name;
        _process = process;
        _log = log;
    }

    /// <summary>Name in messages and of the log file.</summary>
    public string Name { get; }

    /// <summary>Id of the process.</summary>
    public int Id => _process.Id;

    /// <summary>Whether it still runs.</summary>
    public bool IsRunning => !_process.HasExited;

    /// <summary>Resident memory now, in bytes, and processor time so far.</summary>
    public (long Memory, TimeSpan Cpu) Usage()
    {
        _process.Refresh();
        return (_process.WorkingSet64, _process.TotalProcessorTime);
    }

    /// <summary>Starts a program of this build.</summary>
    /// <param name="name">Name of the process in messages.</param>
    /// <param name="project">Project whose assembly to run.</param>
    /// <param name="logFolder">Folder of its log file.</param>
    /// <param name="proxy">Value of <c>http_proxy</c>, or null for no proxy.</param>
    /// <param name="args">Arguments.</param>
    public static ChildProcess Start(string name, string project, string logFolder, Uri? proxy, params IEnumerable<string> args)
    {
        ProcessStartInfo info = Executables.Program(project);
        info.RedirectStandardOutput = true;
        info.RedirectStandardError = true;
        foreach (string arg in args)
        {
            info.ArgumentList.Add(arg);
        }

        foreach (string setting in ProxySettings)
        {
            info.Environment.Remove(setting);
        }

        if (proxy is not null)
        {
            info.Environment["http_proxy"] = proxy.AbsoluteUri;
        }

        StreamWriter log = new(new FileStream(Path.Combine(logFolder, name + ".log"), FileMode.Append, FileAccess.Write, FileShare.ReadWrite)) { AutoFlush = true };
        ChildProcess child = new(name, new Process { StartInfo = info }, log);
        child._process.OutputDataReceived += (_, line) => child.OnLine(line.Data);
        child._process.ErrorDataReceived += (_, line) => child.OnLine(line.Data);
        child._process.Start();
        child._process.BeginOutputReadLine();
        child._process.BeginErrorReadLine();
        return child;
    }

    /// <summary>The address that the process printed under this name.</summary>
    /// <exception cref="LabException">It ended before, or took too long.</exception>
    public async Task<Uri> AddressAsync(string name, TimeProvider time, CancellationToken stop)
    {
        Task<Uri> address = Address(name).Task;
        using CancellationTokenSource ended = CancellationTokenSource.CreateLinkedTokenSource(stop);
        Task first = await Task.WhenAny(address, _process.WaitForExitAsync(ended.Token), Task.Delay(StartTime, time, ended.Token));
        await ended.CancelAsync();
        stop.ThrowIfCancellationRequested();
        if (first == address)
        {
            return await address;
        }

        throw new LabException(_process.HasExited
            ? $"{Name} ended with exit code {_process.ExitCode} before it said where {name} listens"
            : $"{Name} did not say within {StartTime.TotalSeconds:F0} s where {name} listens");
    }

    /// <summary>Ends it at once, as <c>kill -9</c> does, and waits until it is gone.</summary>
    public async Task KillAsync()
    {
        if (!_process.HasExited)
        {
            _process.Kill();
        }

        await _process.WaitForExitAsync(CancellationToken.None);
    }

    public async ValueTask DisposeAsync()
    {
        await KillAsync();
        _process.Dispose();
        await _log.DisposeAsync();
    }

    private TaskCompletionSource<Uri> Address(string name) =>
        _addresses.GetOrAdd(name, static _ => new TaskCompletionSource<Uri>(TaskCreationOptions.RunContinuationsAsynchronously));

    private void OnLine(string? line)
    {
        if (line is null)
        {
            return;
        }

        lock (_logGate)
        {
            _log.WriteLine(line);
        }

        Match match = Listening().Match(line);
        if (match.Success && Uri.TryCreate(match.Groups[2].Value, UriKind.Absolute, out Uri? address))
        {
            Address(match.Groups[1].Value).TrySetResult(address);
        }
    }

    [GeneratedRegex(@"^(\S+) listening on (http://\S+)$")]
    private static partial Regex Listening();
}
