using System.Buffers;
using System.Runtime.InteropServices;

namespace Mesh.Proxy.Transport.Epoll;

/// <summary>One block of a <see cref="SlabPool"/>, as a link of a chain of bytes. Used by one connection at a time, on its loop.</summary>
internal sealed unsafe class SlabBlock : ReadOnlySequenceSegment<byte>
{
    private readonly Memory<byte> _whole;
    private readonly byte* _start;

    public SlabBlock(SlabPool pool, byte[] slab, int offset, int length)
    {
        Pool = pool;
        _whole = MemoryMarshal.CreateFromPinnedArray(slab, offset, length);
        _start = (byte*)Marshal.UnsafeAddrOfPinnedArrayElement(slab, offset);
        Memory = _whole;
    }

    public SlabPool Pool { get; }

    /// <summary>Bytes it can hold.</summary>
    public int Capacity => _whole.Length;

    /// <summary>First byte not yet consumed.</summary>
    public int Begin { get; set; }

    /// <summary>End of what was written.</summary>
    public int End { get; set; }

    /// <summary>Bytes written and not yet consumed.</summary>
    public int Length => End - Begin;

    /// <summary>Bytes that can still be written.</summary>
    public int Room => Capacity - End;

    public SlabBlock? NextBlock => (SlabBlock?)Next;

    public byte* ReadPointer => _start + Begin;

    public byte* WritePointer => _start + End;

    public Memory<byte> Free => _whole[End..];

    /// <summary>Links <paramref name="next"/> behind this one, which takes no more bytes from now on.</summary>
    public void Link(SlabBlock next)
    {
        Memory = _whole[..End];
        next.RunningIndex = RunningIndex + End;
        Next = next;
    }

    /// <summary>Back to the state of a new one.</summary>
    public void Reset()
    {
        Begin = End = 0;
        Memory = _whole;
        RunningIndex = 0;
        Next = null;
    }
}
