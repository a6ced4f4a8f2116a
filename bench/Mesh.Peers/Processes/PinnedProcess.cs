using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using Mesh.Lab.Processes;

namespace Mesh.Peers.Processes;

/// <summary>A program on cores of its own; its output goes to a log file. Ends with this object, children and all.</summary>
internal sealed class PinnedProcess : IAsyncDisposable
{
    private const int Terminate = 15; // SIGTERM
    private static readonly TimeSpan Grace = TimeSpan.FromSeconds(2);
    private static readonly string[] ProxySettings = ["http_proxy", "https_proxy", "all_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"];
    private readonly Process _process;
    private readonly StreamWriter _log;
    private readonly Lock _logGate = new();
    private bool _isDisposed;

    private PinnedProcess(string name, string logFile, Process process)
    {
        Name = name;
        LogFile = logFile;
        _process = process;
        _log = new StreamWriter(new FileStream(logFile, FileMode.Append, FileAccess.Write, FileShare.ReadWrite)) { AutoFlush = true };
    }

    /// <summary>Name in messages.</summary>
    public string Name { get; }

    /// <summary>Where its output goes.</summary>
    public string LogFile { get; }

    /// <summary>Its process id.</summary>
    public int Id => _process.Id;

    /// <summary>Whether it still runs.</summary>
    public bool IsRunning => !_process.HasExited;

    /// <summary>Starts <paramref name="file"/>; an assembly runs under this process' own <c>dotnet</c>.</summary>
    /// <param name="name">Name in messages and of the log file.</param>
    /// <param name="cores">Cores it may use, as taskset has them: <c>1</c> or <c>0,1</c>.</param>
    /// <param name="folder">Folder of the log file.</param>
    /// <param name="file">Program or assembly.</param>
    /// <param name="args">Arguments.</param>
    public static PinnedProcess Start(string name, string cores, string folder, string file, params IEnumerable<string> args)
    {
        ProcessStartInfo info = new(Tools.Find("taskset") ?? throw new PeersException(Tools.Hint("taskset")))
        {
            RedirectStandardInput = true, // our own modes end when it does
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            UseShellExecute = false,
        };
        string[] host = file.EndsWith(".dll", StringComparison.OrdinalIgnoreCase) ? [Executables.Host()] : [];
        foreach (string arg in (string[])["-c", cores, .. host, file, .. args])
        {
            info.ArgumentList.Add(arg);
        }

        foreach (string setting in ProxySettings)
        {
            info.Environment.Remove(setting);
        }

        PinnedProcess started = new(name, Path.Combine(folder, name + ".log"), new Process { StartInfo = info });
        started._process.OutputDataReceived += (_, line) => started.OnLine(line.Data);
        started._process.ErrorDataReceived += (_, line) => started.OnLine(line.Data);
        started._process.Start();
        started._process.BeginOutputReadLine();
        started._process.BeginErrorReadLine();
        return started;
    }

    /// <summary>CPU time so far, children included.</summary>
    public CpuTime Cpu() => Pids().Aggregate(default(CpuTime), static (sum, pid) => sum + ProcText.Cpu(File.ReadAllText($"/proc/{pid}/stat")));

    /// <summary>CPU time so far of each thread, by id.</summary>
    public Dictionary<string, CpuTime> CpuByThread() => Directory.GetDirectories($"/proc/{Id}/task")
        .ToDictionary(static task => Path.GetFileName(task), static task => ProcText.Cpu(File.ReadAllText(Path.Combine(task, "stat"))));

    /// <summary>Memory in use, children included.</summary>
    public MemoryUse Memory() =>
        Pids().Aggregate(default(MemoryUse), static (sum, pid) => sum + ProcText.Memory(File.ReadAllText($"/proc/{pid}/smaps_rollup")));

    /// <summary>Ids of the process and its children (nginx has a worker).</summary>
    public IReadOnlyList<int> Pids()
    {
        List<int> pids = [Id];
        foreach (string folder in Directory.GetDirectories("/proc"))
        {
            if (int.TryParse(Path.GetFileName(folder), NumberStyles.None, CultureInfo.InvariantCulture, out int pid) && IsChild(pid))
            {
                pids.Add(pid);
            }
        }

        return pids;
    }

    /// <summary>Says why the process is not there any more.</summary>
    /// <exception cref="PeersException">It has ended.</exception>
    public void ThrowIfEnded()
    {
        if (!IsRunning)
        {
            throw new PeersException($"{Name} ended with exit code {_process.ExitCode}; what it said is in {LogFile}");
        }
    }

    /// <summary>Waits until it ends by itself; a process that takes too long is killed.</summary>
    /// <exception cref="PeersException">It took too long.</exception>
    public async Task<int> WaitAsync(TimeSpan longest, TimeProvider time, CancellationToken stop)
    {
        using CancellationTokenSource late = new(longest, time);
        using CancellationTokenSource either = CancellationTokenSource.CreateLinkedTokenSource(late.Token, stop);
        try
        {
            await _process.WaitForExitAsync(either.Token);
            return _process.ExitCode;
        }
        catch (OperationCanceledException) when (!stop.IsCancellationRequested)
        {
            throw new PeersException($"{Name} did not end within {longest.TotalSeconds:F0} s; what it said is in {LogFile}");
        }
    }

    /// <summary>What it has written so far.</summary>
    public string Output()
    {
        using StreamReader reader = new(new FileStream(LogFile, FileMode.Open, FileAccess.Read, FileShare.ReadWrite));
        return reader.ReadToEnd();
    }

    public async ValueTask DisposeAsync()
    {
        if (_isDisposed)
        {
            return;
        }

        _isDisposed = true;
        if (IsRunning)
        {
            _ = Kill(Id, Terminate); // asked first, so that nginx takes its worker along
            await EndAsync();
        }

        await _process.WaitForExitAsync(CancellationToken.None);
        _process.Dispose();
        await _log.DisposeAsync();
    }

    [DllImport("libc", EntryPoint = "kill")]
    private static extern int Kill(int pid, int signal);

    private async Task EndAsync()
    {
        using CancellationTokenSource late = new(Grace, TimeProvider.System);
        try
        {
            await _process.WaitForExitAsync(late.Token);
        }
        catch (OperationCanceledException)
        {
            _process.Kill(entireProcessTree: true);
        }
    }

    private bool IsChild(int pid)
    {
        try
        {
            return ProcText.Parent(File.ReadAllText($"/proc/{pid}/stat")) == Id;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return false; // it ended meanwhile
        }
    }

    private void OnLine(string? line)
    {
        if (line is not null)
        {
            lock (_logGate)
            {
                _log.WriteLine(line);
            }
        }
    }
}
