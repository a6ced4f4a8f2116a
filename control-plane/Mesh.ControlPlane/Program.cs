using System.Runtime.InteropServices;
using System.Security.Cryptography.X509Certificates;
using Mesh.ControlPlane.Access;
using Mesh.ControlPlane.Admission;
using Mesh.ControlPlane.Api;
using Mesh.ControlPlane.Certificates;
using Mesh.ControlPlane.Hosting;
using Mesh.ControlPlane.Kubernetes;
using Mesh.ControlPlane.Store;
using Mesh.Injection;
using Microsoft.Extensions.Logging;

const int Refused = 1; // the machine says no: port, permission, folder in use
const int WrongUsage = 2; // options and what they name
TimeSpan EditPoll = TimeSpan.FromMilliseconds(500); // a person edits the folder: noticed within a second

CommandLineResult line = CommandLine.Read(args, Environment.GetEnvironmentVariable);
if (line.Options is not { } options)
{
    Console.Out.Write(line.Output);
    return line.Error is null ? 0 : Fail(line.Error, WrongUsage);
}

// The one place where the process meets the real clock and real chance.
#pragma warning disable RS0030
TimeProvider time = TimeProvider.System;
Random random = Random.Shared;
#pragma warning restore RS0030

(X509Certificate2Collection? certificates, TokenFile? token, string? problem) = DoorKeys.Read(options, time);
if (problem is not null)
{
    return Fail(problem, WrongUsage);
}

(InjectionSettings? injection, problem) = Webhooks.ReadSettings(options);
if (injection is null)
{
    return Fail(problem!, WrongUsage);
}

using LineLoggerProvider log = new(Console.Error, time);
using ILoggerFactory loggers = LoggerFactory.Create(logging => logging.AddProvider(log));
ApiServer? apiServer = null;
if (options.Kubernetes && ((apiServer, problem) = ClusterAccess.Find(options, Environment.GetEnvironmentVariable)).problem is not null)
{
    return Fail(problem!, WrongUsage);
}

using ClusterSource? cluster = apiServer is null ? null : new(apiServer with { LeaseNamespace = options.LeaseNamespace }, Identity(), (time, random, loggers));
using RuleStore? store = cluster is null ? Open(options.Data, out problem) : null;
if (problem is not null)
{
    return Fail(problem, Refused);
}

IRuleStore rules = cluster?.Rules ?? (IRuleStore)store!;
await using ServerCertificates? own = DoorBuilder.Certificates(options, cluster, (time, loggers));
Door door = DoorBuilder.Build(options, (certificates, token), own, (cluster, injection), (time, random, loggers));
await using ControlPlaneServer server = new(options, door, rules, MapRules, (time, random, log), cluster);
await using WebhookServer? webhooks = options.WebhookListen is null ? null : Webhooks.Create(options, injection, rules, own!, (time, log));
server.Page.Webhooks = webhooks?.Stats;
using ITimer edits = time.CreateTimer(_ => store?.PickUpEdits(), null, EditPoll, EditPoll);
TaskCompletionSource ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
using PosixSignalRegistration terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, End);
using PosixSignalRegistration interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, End);
try
{
    await (own?.StartAsync() ?? Task.CompletedTask);
    await server.StartAsync(Print);
    await (webhooks?.StartAsync(Print) ?? Task.CompletedTask);
}
catch (IOException error)
{
    return Fail(error.Message, Refused);
}

Print(apiServer is null ? $"rules are kept in {options.Data}" : $"rules are those of the cluster at {apiServer.Address}");
await ended.Task;
await server.StopAsync();
return 0;

// In a cluster its own API server takes the rules.
void MapRules(Microsoft.AspNetCore.Routing.IEndpointRouteBuilder api)
{
    if (store is not null)
    {
        api.MapKubernetesApi(store, time);
    }
}

// A pod's name, and something that its next container does not share.
string Identity() => $"{Environment.MachineName}_{random.GetHexString(8, lowercase: true)}";

RuleStore? Open(string data, out string? refusal)
{
    try
    {
        refusal = null;
        return new RuleStore(data, time, loggers.CreateLogger<RuleStore>());
    }
    catch (Exception error) when (error is IOException or UnauthorizedAccessException)
    {
        refusal = $"--data: {error.Message}";
        return null;
    }
}

void End(PosixSignalContext context)
{
    context.Cancel = true;
    ended.TrySetResult();
}

static void Print(string text)
{
    Console.Out.WriteLine(text);
    Console.Out.Flush();
}

static int Fail(string problem, int code)
{
    Console.Error.WriteLine(problem);
    return code;
}
