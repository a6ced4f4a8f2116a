using System.Diagnostics;

namespace Mesh.Proxy.Transport.Epoll;

/// <summary>
/// Blocks of memory for bytes in flight, cut from slabs that the collector never moves. One pool a loop, so it needs no lock; the block that came back last goes
/// out first, because the processor still has it in its cache. It grows to the most that was in flight at one time and keeps that.
/// </summary>
internal sealed class SlabPool
{
    /// <summary>Bytes of a block: a whole exchange of the usual size, one read of a larger one.</summary>
    public const int BlockBytes = 16 * 1024;

    private const int BlocksPerSlab = 16;
    private readonly Stack<SlabBlock> _free = new();

    /// <summary>Blocks handed out and not yet given back.</summary>
    public int InUse { get; private set; }

    /// <summary>A block of <see cref="BlockBytes"/>, or of <paramref name="atLeast"/> if that is more: such a one is not kept.</summary>
    public SlabBlock Rent(int atLeast = 0)
    {
        InUse++;
        if (atLeast > BlockBytes)
        {
            return new SlabBlock(this, GC.AllocateUninitializedArray<byte>(atLeast, pinned: true), 0, atLeast);
        }

        if (_free.Count == 0)
        {
            byte[] slab = GC.AllocateUninitializedArray<byte>(BlockBytes * BlocksPerSlab, pinned: true);
            for (int i = BlocksPerSlab - 1; i >= 0; i--)
            {
                _free.Push(new SlabBlock(this, slab, i * BlockBytes, BlockBytes));
            }
        }

        return _free.Pop();
    }

    /// <summary>Takes a block back; on the loop's thread.</summary>
    public void Return(SlabBlock block)
    {
        Debug.Assert(block.Pool == this, "a block belongs to the loop that rented it");
        InUse--;
        block.Reset();
        if (block.Capacity == BlockBytes)
        {
            _free.Push(block);
        }
    }
}
