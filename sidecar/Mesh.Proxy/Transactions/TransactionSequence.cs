namespace Mesh.Proxy.Transactions;

/// <summary>Numbers for transaction ids, from 1 on: one sequence for the process, so that ids of different hosts and of a changed rule do not repeat either. Thread-safe.</summary>
internal sealed class TransactionSequence
{
    private long _last;

    /// <summary>The next number.</summary>
    public long Next() => Interlocked.Increment(ref _last);
}
