using System.Buffers;
using Mesh.Proxy.Retry;
using Xunit;

namespace Mesh.Proxy.Tests.Retry;

public sealed class KeptBodyTests
{
    [Fact]
    public void Body_IsGivenPieceByPiece_AndAfterARewindWhole()
    {
        KeptBody body = new(new RetryMemory());
        byte[] whole = new byte[100_000];
        new Random(3).NextBytes(whole);
        foreach (byte[] piece in whole.Chunk(7_001))
        {
            Assert.True(body.TryReserve(piece.Length));
            body.Write(piece);
            Assert.Equal(piece, body.TakeUnsent());
        }

        Assert.True(body.TakeUnsent().IsEmpty);
        body.Rewind();
        Assert.Equal(whole, body.TakeUnsent());
        body.Release();
    }

    [Fact]
    public void Limit_OfOneRequest_IsExact()
    {
        KeptBody body = new(new RetryMemory(maxRequestBytes: 10_000));
        Assert.True(body.TryReserve(10_000));
        body.Write(new byte[10_000]);
        Assert.False(body.TryReserve(7_000)); // whatever more the pool has given
        body.Release();
    }

    [Fact]
    public void Limit_OfAllRequests_IsShared_AndGivenBack()
    {
        RetryMemory memory = new(maxBytes: 16 * 1024);
        KeptBody first = new(memory);
        KeptBody second = new(memory);
        Assert.True(first.TryReserve(10_000));
        Assert.False(second.TryReserve(10_000));
        Assert.True(memory.Used >= 10_000);
        first.Release();
        Assert.Equal(0, memory.Used);
        Assert.True(second.TryReserve(10_000));
        second.Release();
        second.Release(); // nothing is given back twice
        Assert.Equal(0, memory.Used);
    }
}
