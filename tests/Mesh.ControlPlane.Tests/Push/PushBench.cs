using Mesh.ControlPlane.Push;
using Mesh.ControlPlane.Registry;
using Mesh.ControlPlane.Status;
using Mesh.Rules.Wire;
using Mesh.Testing;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Mesh.ControlPlane.Tests.Push;

/// <summary>The push side without loops and listeners: tests say when it looks for changes.</summary>
internal sealed class PushBench : IDisposable
{
    public PushBench(int seed = 1)
    {
        Registry = new EndpointRegistry(Time, new Random(seed));
        Hub = new PushHub(Store, Registry, Time, new Random(seed), NullLogger<PushHub>.Instance);
        Status = new StatusWriter(Store, Registry, Time, NullLogger<StatusWriter>.Instance);
    }

    public FakeTimeProvider Time { get; } = new();

    public FakeRuleStore Store { get; } = new();

    public EndpointRegistry Registry { get; }

    public PushHub Hub { get; }

    public StatusWriter Status { get; }

    public static SidecarRegistration Instance(
        string node, string service = "products", int port = 8080, string address = "127.0.0.1:1001", string ns = "default") =>
        new() { Node = node, Service = service, Namespace = ns, Port = port, Address = address, StartedAt = "2030-01-01T00:00:00Z" };

    public PushSession Register(string node, string service = "products", string address = "127.0.0.1:1001", string ns = "default")
    {
        (SidecarRegistered? registered, string? problem) = Registry.Register(Instance(node, service, 8080, address, ns));
        Assert.Null(problem);
        Hub.Refresh();
        return Registry.Find(registered!.Id)!.Session;
    }

    /// <summary>What the stream sends next, if anything; counted as sent to the session.</summary>
    public PushMessage? Next(PushStream stream, PushSession session)
    {
        Hub.Refresh();
        if (stream.Next(Hub.Current) is not { } next)
        {
            return null;
        }

        session.Sent(next.Content, Time.GetTimestamp());
        return next.Push;
    }

    public void Dispose() => Registry.Dispose();
}
