using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using Mesh.Sidecar.Hosting;
using Mesh.Sidecar.Interception;
using Mesh.Sidecar.Options;
using Mesh.Sidecar.Pod;

const int Refused = 1; // the machine says no: port, permission
const int WrongUsage = 2; // options and what they name

CommandLineResult line = CommandLine.Read(args, Environment.GetEnvironmentVariable);
if (line.Init is { } init)
{
    return await new InitCommand(init, Console.Out, Console.Error).RunAsync();
}

if (line.Hook is { } hook)
{
    return await new HookCommand(hook, TimeProvider.System, Console.Error).RunAsync();
}

if (line.Options is not { } options)
{
    Console.Out.Write(line.Output);
    if (line.Error is { } mistake)
    {
        Console.Error.WriteLine(mistake);
    }

    return line.Error is null ? 0 : WrongUsage;
}

IPEndPoint? app = null;
if (options.App.Length > 0 && (app = await ResolveAsync(options.App)) is null)
{
    Console.Error.WriteLine($"--app: '{options.App}' cannot be resolved; write HOST:PORT with a host that this machine knows");
    return WrongUsage;
}

Stream? accessLog = null;
try
{
    accessLog = options.AccessLog switch
    {
        null => null,
        "-" => Console.OpenStandardOutput(),
        string file => new FileStream(file, FileMode.Append, FileAccess.Write, FileShare.ReadWrite | FileShare.Delete),
    };
}
catch (Exception error) when (error is IOException or UnauthorizedAccessException)
{
    Console.Error.WriteLine($"--access-log: {error.Message}");
    return WrongUsage;
}

// The one place where the process meets the real clock and real chance.
#pragma warning disable RS0030
StandardErrorLog log = new(Console.Error, TimeProvider.System);
options = PodInfo.Complete(options, log.Line);
await using SidecarProcess process = new(options, app, accessLog, TimeProvider.System, Random.Shared, log);
#pragma warning restore RS0030

using PosixSignalRegistration terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Stop);
using PosixSignalRegistration interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Stop);
try
{
    await process.StartAsync(static address =>
    {
        Console.Out.WriteLine(address);
        Console.Out.Flush();
    });
}
catch (Exception error) when (error is IOException or SocketException)
{
    Console.Error.WriteLine(error.Message);
    return Refused;
}

await process.RunAsync();
return 0;

void Stop(PosixSignalContext context)
{
    context.Cancel = true;
    process.State.RequestStop(); // the second signal ends the drain
}

static async Task<IPEndPoint?> ResolveAsync(string address)
{
    if (IPEndPoint.TryParse(address, out IPEndPoint? literal))
    {
        return literal;
    }

    int colon = address.LastIndexOf(':');
    try
    {
        IPAddress[] found = await Dns.GetHostAddressesAsync(address[..colon]);
        IPAddress? first = found.FirstOrDefault(static a => a.AddressFamily == AddressFamily.InterNetwork) ?? found.FirstOrDefault();
        return first is null ? null : new IPEndPoint(first, int.Parse(address[(colon + 1)..], System.Globalization.CultureInfo.InvariantCulture));
    }
    catch (SocketException)
    {
        return null;
    }
}
