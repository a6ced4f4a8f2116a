namespace Mesh.Rules.Validation;

/// <summary>Whether a finding refuses the rule.</summary>
public enum Severity
{
    /// <summary>The rule is refused.</summary>
    Error,

    /// <summary>The rule is accepted; the author should read this.</summary>
    Warning,
}

/// <summary>What kind of finding it is; the API turns it into Kubernetes' reasons.</summary>
public enum DiagnosticCode
{
    /// <summary>A value breaks a rule (FieldValueInvalid).</summary>
    Invalid,

    /// <summary>A value has the wrong JSON type (FieldValueTypeInvalid).</summary>
    TypeInvalid,

    /// <summary>A required field is missing (FieldValueRequired).</summary>
    Required,

    /// <summary>A value is none of those allowed (FieldValueNotSupported).</summary>
    NotSupported,

    /// <summary>A field of this name does not exist (strict decoding).</summary>
    UnknownField,

    /// <summary>A field is written twice (strict decoding).</summary>
    DuplicateField,

    /// <summary>The text is no YAML or JSON, or no Kubernetes object.</summary>
    Syntax,

    /// <summary>Warning: accepted, but not enforced by this version.</summary>
    NotEnforced,

    /// <summary>Warning: deprecated; the message names the replacement.</summary>
    Deprecated,

    /// <summary>Warning: legal, but probably not what the author wants.</summary>
    Advice,
}

/// <summary>One finding about a rule, worded alike by the control plane, the sidecar and the command line.</summary>
/// <param name="Severity">Error or warning.</param>
/// <param name="Code">What kind of finding.</param>
/// <param name="Path">Place in the object, such as <c>spec.trafficPolicy.outlierDetection.interval</c>.</param>
/// <param name="Line">Line in the text, from 1; 0 when unknown (JSON from the API).</param>
/// <param name="Column">Column in the text, from 1; 0 when unknown.</param>
/// <param name="Message">What is wrong and what to write instead.</param>
public sealed record Diagnostic(Severity Severity, DiagnosticCode Code, string Path, int Line, int Column, string Message)
{
    /// <summary>Name of the check that found it, such as <c>never-ejects</c>: for those that want to search for it or to silence it. Null where the code says enough.</summary>
    public string? Check { get; init; }

    /// <inheritdoc/>
    public override string ToString() =>
        $"{(Severity == Severity.Error ? "error" : "warning")}{(Line > 0 ? $" {Line}:{Column}" : "")}: {Path}: {Message}";
}
