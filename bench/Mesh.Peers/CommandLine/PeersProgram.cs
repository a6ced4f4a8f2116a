using System.Globalization;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using Mesh.Lab.Processes;
using Mesh.Peers.Backend;
using Mesh.Peers.Measuring;
using Mesh.Peers.Output;
using Mesh.Peers.Peers;
using Mesh.Peers.Processes;
using Mesh.Peers.World;

namespace Mesh.Peers.CommandLine;

/// <summary>The command <c>mesh-peers</c>, and the two modes in which it starts itself: <c>backend</c> and <c>forwarder</c>.</summary>
internal static class PeersProgram
{
    /// <summary>Returns the exit code: 0, 1 when a measurement broke or had errors, 2 for wrong options or a missing tool.</summary>
    public static async Task<int> RunAsync(string[] args, TextWriter output, TextWriter errors, TimeProvider time, Random random)
    {
        using CancellationTokenSource stop = new();
        using PosixSignalRegistration interrupt = OnSignal(PosixSignal.SIGINT, stop);
        using PosixSignalRegistration terminate = OnSignal(PosixSignal.SIGTERM, stop);
        switch (args)
        {
            case ["--help" or "-h"]:
                await output.WriteLineAsync(PeersOptions.Usage);
                return 0;
            case ["backend", string http, string bulk]:
                RunBackend(Port(http), Port(bulk), stop);
                return 0;
            case ["forwarder", string port, string metrics, string upstream]:
                EndWithInput(stop);
                await using (Forwarder forwarder = new(Port(port), Port(metrics), Port(upstream)))
                {
                    await forwarder.RunAsync(stop.Token);
                }

                return 0;
        }

        PeersOptions? options = PeersOptions.Parse(args, out string mistake);
        mistake = options is null ? mistake : Missing(options);
        if (options is null || mistake.Length > 0)
        {
            await errors.WriteLineAsync($"mesh-peers: {mistake}");
            return 2;
        }

        return await CompareAsync(options, output, errors, time, random, stop.Token);
    }

    private static string Missing(PeersOptions options) =>
        Tools.Find("taskset") is null ? Tools.Hint("taskset")
        : Tools.Find("wrk") is null ? Tools.Hint("wrk")
        : Environment.ProcessorCount < 2 ? "two cores are needed, one for the proxy and one for the load"
        : options.Sidecar is { } file && !File.Exists(file) ? $"--sidecar: there is no file '{file}'"
        : "";

    private static async Task<int> CompareAsync(
        PeersOptions options, TextWriter output, TextWriter errors, TimeProvider time, Random random, CancellationToken stop)
    {
        string folder = Directory.CreateTempSubdirectory("mesh-peers-").FullName;
        Findings findings = new();
        bool isWhole = false;
        try
        {
            List<string> hints = [.. Hints(options)];
            List<IPeer> peers = PeerCatalog.Find(options, hints);
            hints.ForEach(output.WriteLine);
            await output.WriteLineAsync(Intro(options));
            await using PeersWorld world = await PeersWorld.StartAsync(time, random, folder, options.Full ? 12_000 : 2048, stop);
            await new Comparison(options, peers, world, output, errors).RunAsync(findings, stop);
            isWhole = true;
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            await errors.WriteLineAsync("mesh-peers: interrupted");
        }
        catch (Exception e) when (e is PeersException or LabException or FormatException or HttpRequestException or SocketException or IOException
            or OperationCanceledException)
        {
            await errors.WriteLineAsync($"mesh-peers: {e.Message}");
        }

        await output.WriteAsync(PeersText.Closing(findings, await LoadAverageAsync()));
        bool isWritten = options.JsonFile is null || TryWriteJson(options, findings, errors);
        if (isWhole && findings.Errors == 0)
        {
            Directory.Delete(folder, recursive: true);
            return isWritten ? 0 : 1;
        }

        await output.WriteLineAsync($"Logs of every process: {folder}");
        return 1;
    }

    private static IEnumerable<string> Hints(PeersOptions options) =>
        from tool in options.Full ? (string[])["strace", "h2load"] : ["strace"]
        where Tools.Find(tool) is null
        select Tools.Hint(tool);

    private static string Intro(PeersOptions options) =>
        $"{options.Rounds} rounds of {options.Seconds} s; proxy alone on core {PeersWorld.ProxyCore}, load and backend on core 0; "
        + $"load average {ProcText.LoadAverage(File.ReadAllText("/proc/loadavg"))}";

    private static async Task<string> LoadAverageAsync() => ProcText.LoadAverage(await File.ReadAllTextAsync("/proc/loadavg"));

    private static void RunBackend(int port, int bulkPort, CancellationTokenSource stop)
    {
        EndWithInput(stop);
        using BulkServer bulk = new(bulkPort);
        using BackendServer server = new(port);
        server.Run(stop.Token);
    }

    // Whoever started us holds the other end: when it is gone, however that came, so are we.
    private static void EndWithInput(CancellationTokenSource stop)
    {
        Thread reading = new(() =>
        {
            Console.In.ReadToEnd();
            stop.Cancel();
        })
        { IsBackground = true };
        reading.Start();
    }

    private static int Port(string text) => int.Parse(text, NumberStyles.None, CultureInfo.InvariantCulture);

    private static PosixSignalRegistration OnSignal(PosixSignal signal, CancellationTokenSource stop) => PosixSignalRegistration.Create(signal, context =>
    {
        context.Cancel = true;
        stop.Cancel();
    });

    private static bool TryWriteJson(PeersOptions options, Findings findings, TextWriter errors)
    {
        try
        {
            using FileStream file = File.Create(options.JsonFile!);
            PeersJson.Write(findings, options.IsNative, file);
            return true;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            errors.WriteLine($"mesh-peers: cannot write {options.JsonFile}: {e.Message}");
            return false;
        }
    }
}
