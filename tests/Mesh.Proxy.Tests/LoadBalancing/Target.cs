using Mesh.Proxy.LoadBalancing;

namespace Mesh.Proxy.Tests.LoadBalancing;

/// <summary>A target as the test says.</summary>
internal sealed class Target(int weight = 1, string address = "10.0.0.1:80", long joinedAt = 0) : ILoadTarget
{
    public string Address => address;

    public long ActiveRequests { get; set; }

    public int Weight => weight;

    public long JoinedAt => joinedAt;

    /// <summary>Targets of weight 1 at different addresses.</summary>
    public static ILoadTarget[] Many(int count) => [.. Enumerable.Range(0, count).Select(static i => new Target(1, $"10.0.{i / 250}.{i % 250}:8080"))];
}
