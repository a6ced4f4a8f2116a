using Mesh.Proxy.Transactions;
using Mesh.Rules.Snapshots;

namespace Mesh.Proxy.Upstream;

// The transaction ids of a cluster's calls: null unless a rule asks for them, so that others pay one look.
public sealed partial class Cluster
{
    private volatile TransactionIds? _transactionIds;

    /// <summary>What makes the ids, or null.</summary>
    internal TransactionIds? TransactionIds => _transactionIds;

    private void UpdateTransactionIds(TransactionIdConfig? next)
    {
        if (next != _transactionIds?.Config)
        {
            _transactionIds = next is null ? null : new TransactionIds(next, Services.Instance, Services.Transactions);
        }
    }
}
