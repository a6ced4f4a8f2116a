using System.Text.Json.Nodes;

namespace Mesh.Rules.Schema;

/// <summary>How a value of one type is read, and what the CRD's schema says of it. Stateless.</summary>
internal abstract class FieldType<TValue>
{
    /// <summary>Reads the value; false after reporting why it cannot be used.</summary>
    public abstract bool TryRead(RuleNode node, Cursor at, out TValue value);

    /// <summary>A fresh OpenAPI v3 schema of the value.</summary>
    public abstract JsonObject OpenApi();

    /// <summary>All fields inside, each block before what it holds; of a list or map those of an item, of a scalar none.</summary>
    public virtual IEnumerable<FieldEntry> Fields => [];
}
