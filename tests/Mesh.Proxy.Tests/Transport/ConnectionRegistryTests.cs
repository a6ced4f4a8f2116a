using Mesh.Proxy.Tests.Component;
using Mesh.Proxy.Transport;
using Xunit;

namespace Mesh.Proxy.Tests.Transport;

/// <summary>Who counts towards the most connections.</summary>
public sealed class ConnectionRegistryTests
{
    [Fact]
    public async Task ConnectionsOfOurOwn_TakeNoClientsRoom()
    {
        ConnectionRegistry registry = new();
        await using MemoryConnection own = new();
        await using MemoryConnection first = new();
        await using MemoryConnection second = new();
        registry.AddOwn(own, static () => { });

        Assert.True(registry.TryAdd(first, static () => { }, most: 1));
        Assert.False(registry.TryAdd(second, static () => { }, most: 1));
        registry.Remove(own);
        Assert.False(registry.TryAdd(second, static () => { }, most: 1));
        registry.Remove(first);
        Assert.True(registry.TryAdd(second, static () => { }, most: 1));
    }
}
