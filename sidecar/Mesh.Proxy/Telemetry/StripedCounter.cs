using System.Runtime.InteropServices;

namespace Mesh.Proxy.Telemetry;

/// <summary>A counter for the request path: each core adds to a cell of its own, reading sums the cells. Thread-safe, never allocates.</summary>
public sealed class StripedCounter
{
    private readonly Cell[] _cells = new Cell[(int)System.Numerics.BitOperations.RoundUpToPowerOf2((uint)Math.Max(1, Environment.ProcessorCount))];

    /// <summary>The sum; concurrent adds may or may not be in it.</summary>
    public long Value
    {
        get
        {
            long sum = 0;
            for (int i = 0; i < _cells.Length; i++)
            {
                sum += Volatile.Read(ref _cells[i].Value);
            }

            return sum;
        }
    }

    /// <summary>Adds <paramref name="amount"/>.</summary>
    public void Add(long amount = 1) =>
        Interlocked.Add(ref _cells[Thread.GetCurrentProcessorId() & (_cells.Length - 1)].Value, amount);

    [StructLayout(LayoutKind.Explicit, Size = 128)]
    private struct Cell
    {
        [FieldOffset(64)]
        public long Value;
    }
}
