using System.IO.Compression;
using System.Text;
using Mesh.ControlPlane.Push;
using Mesh.Rules.Wire;
using Xunit;

namespace Mesh.ControlPlane.Tests.Push;

public sealed class PushCacheTests : IDisposable
{
    private readonly PushBench _bench = new();
    private readonly PushCache _cache = new();

    public void Dispose() => _bench.Dispose();

    [Fact]
    public void Full_SameContent_IsMadeOnceForAllNamespaces()
    {
        _bench.Store.Apply("a");
        _bench.Hub.Refresh();

        PushMessage first = _cache.Full(_bench.Hub.Current, "shop");

        Assert.Equal("a", Assert.Single(first.Rules).Key.Name);
        Assert.Same(first, _cache.Full(_bench.Hub.Current, "default"));
        Assert.True(_cache.EventOf(first).Equals(_cache.EventOf(first))); // the same memory
        Assert.Contains("\nevent: push\ndata: mesh: push\n", Encoding.UTF8.GetString(_cache.EventOf(first).Span), StringComparison.Ordinal);
    }

    [Fact]
    public void Full_RuleKeptToItsNamespace_IsNotShown()
    {
        _bench.Store.Apply("a", "{host: products, exportTo: [\".\"]}", "shop");
        _bench.Hub.Refresh();

        Assert.Single(_cache.Full(_bench.Hub.Current, "shop").Rules);
        Assert.Empty(_cache.Full(_bench.Hub.Current, "default").Rules);
    }

    [Fact]
    public void Between_RuleIsKeptFromNowOn_IsTakenFromTheOthers()
    {
        _bench.Store.Apply("a", ruleNamespace: "shop");
        _bench.Hub.Refresh();
        MeshContent before = _bench.Hub.Current;
        _bench.Store.Apply("a", "{host: products, exportTo: [\".\"]}", "shop");
        _bench.Hub.Refresh();

        Assert.Single(_cache.Between(before, _bench.Hub.Current, "default")!.RemovedRules);
        Assert.Empty(_cache.Between(before, _bench.Hub.Current, "shop")!.RemovedRules);
    }

    [Fact]
    public void Between_SameVersions_IsNothing() => Assert.Null(_cache.Between(_bench.Hub.Current, _bench.Hub.Current, "default"));

    [Fact]
    public void EventOf_Compressed_MembersAfterEachOtherAreOneStream()
    {
        _bench.Store.Apply("a");
        _bench.Hub.Refresh();
        PushMessage push = _cache.Full(_bench.Hub.Current, "default");
        using MemoryStream wire = new();
        wire.Write(_cache.EventOf(push, isCompressed: true).Span);
        wire.Write(PushCache.PingOf(isCompressed: true).Span);
        wire.Write(_cache.EventOf(push, isCompressed: true).Span);
        wire.Position = 0;
        using StreamReader text = new(new GZipStream(wire, CompressionMode.Decompress));

        string plain = Encoding.UTF8.GetString(_cache.EventOf(push).Span);
        Assert.Equal($"{plain}: ping\n\n{plain}", text.ReadToEnd());
        Assert.True(_cache.EventOf(push, isCompressed: true).Equals(_cache.EventOf(push, isCompressed: true))); // compressed once
    }

    [Fact]
    public void EventOf_PushNoLongerKept_IsWrittenAnew()
    {
        MeshContent content = _bench.Hub.Current;
        PushMessage push = _cache.Full(content, "default");
        byte[] before = _cache.EventOf(push).ToArray();
        for (int i = 0; i < PushCache.Capacity; i++)
        {
            _cache.Full(content with { Version = $"v{i}" }, "default");
        }

        Assert.NotSame(push, _cache.Full(content, "default"));
        Assert.Equal(before, _cache.EventOf(push).ToArray());
    }
}
