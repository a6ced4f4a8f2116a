using System.Text;

namespace Mesh.Proxy.Http1;

// The id that the host's owner wants on each call (adr/0050): one for the request, whatever it takes to get it answered. A cluster without one costs a check for null.
internal sealed partial class Http1Exchange
{
    private byte[] _transaction = [];
    private int _transactionLength; // of the line in it; 0 as long as there is none

    /// <summary>The header field with the id, for the head of an attempt or of a copy; empty when the request has one, or its route sets, adds or removes the field.</summary>
    private ReadOnlySpan<byte> TransactionLine()
    {
        if (_transactionLength == 0 && _cluster!.TransactionIds is { } ids && !HasTransaction(ids.Header))
        {
            if (_transaction.Length < ids.MaxLength)
            {
                _transaction = new byte[ids.MaxLength];
            }

            _transactionLength = ids.WriteLine(_transaction, context.Runtime.Time.GetUtcNow());
            if (context.Sink.WantsText)
            {
                _record.TransactionId = Encoding.ASCII.GetString(_transaction, ids.ValueStart, _transactionLength - ids.ValueStart - 2);
            }
        }

        return _transaction.AsSpan(0, _transactionLength);
    }

    private bool HasTransaction(ReadOnlySpan<byte> name) =>
        (_request.Headers.Find(name) is >= 0 and int at && _request.Headers.Kind(at) != KnownHeader.NamedByConnection)
        || (_requestEdits is { } edits && (edits.Drops(name) || edits.Adds(name)));
}
