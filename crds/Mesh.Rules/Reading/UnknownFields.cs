namespace Mesh.Rules.Reading;

/// <summary>What a field that the schema does not have means.</summary>
public enum UnknownFields
{
    /// <summary>An error: somebody misspelt it, and the rule would not do what its author wants.</summary>
    Refuse,

    /// <summary>A warning, and the rest counts: the rule passed another schema, newer than ours, that knows the field.</summary>
    Warn,
}
