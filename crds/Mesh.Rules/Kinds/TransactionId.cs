using Mesh.Rules.Schema;
using Mesh.Rules.Snapshots;

namespace Mesh.Rules.Kinds;

/// <summary>The id that the owner of a host wants on every call, in its own form. Unset fields are null.</summary>
public sealed record TransactionId
{
    /// <summary>Field that carries it.</summary>
    public string? Header { get; init; }

    /// <summary>Form of the id, see <see cref="TransactionIdFormat"/>.</summary>
    public string? Format { get; init; }

    internal static ObjectSchema<TransactionId> Schema { get; } = new ObjectSchema<TransactionId>()
        .Text("header", static (o, v) => o with { Header = v },
            "Field that carries the id, such as X-Api-Tran-Id. A request that has it already keeps its own.")
            .Required("header is required: the field that the host expects its id in, such as X-Api-Tran-Id")
        .Text("format", static (o, v) => o with { Format = v },
            $"Text with {{instance}} (this sidecar; {{instance:5}} is its last 5 characters), {{time:yyyyMMddHHmmssfff}} in UTC and {{sequence:9}}, a number of 9 digits that counts on with every id of this sidecar. Default {TransactionIdFormat.Default}.");
}
