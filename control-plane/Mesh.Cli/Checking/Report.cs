using Mesh.Rules.Reading;
using Mesh.Rules.Validation;

namespace Mesh.Cli.Checking;

/// <summary>A finding and the file it stands in.</summary>
/// <param name="File">Name of the text.</param>
/// <param name="Rule">The rule it is about; null when it could not be read.</param>
/// <param name="Diagnostic">The finding, with its line and column in the file.</param>
internal sealed record FileFinding(string File, RuleKey? Rule, Diagnostic Diagnostic)
{
    /// <summary>Name of the check, for searching and silencing.</summary>
    public string Check => Diagnostic.Check ?? Diagnostic.Code switch
    {
        DiagnosticCode.Invalid => "invalid",
        DiagnosticCode.TypeInvalid => "wrong-type",
        DiagnosticCode.Required => "required",
        DiagnosticCode.NotSupported => "not-supported",
        DiagnosticCode.UnknownField => "unknown-field",
        DiagnosticCode.DuplicateField => "duplicate-field",
        DiagnosticCode.Syntax => "syntax",
        DiagnosticCode.NotEnforced => "not-enforced",
        DiagnosticCode.Deprecated => "deprecated",
        _ => "advice",
    };
}

/// <summary>An object of a kind that is not the mesh's.</summary>
/// <param name="File">Name of the text.</param>
/// <param name="Line">Where it begins.</param>
/// <param name="Kind">apiVersion and kind.</param>
internal sealed record SkippedObject(string File, int Line, string Kind);

/// <summary>All that a check found, in the order of files and lines.</summary>
/// <param name="Files">Texts read.</param>
/// <param name="Rules">Rules without an error.</param>
/// <param name="Findings">Errors and warnings.</param>
/// <param name="Skipped">Objects of other kinds.</param>
internal sealed record Report(int Files, int Rules, IReadOnlyList<FileFinding> Findings, IReadOnlyList<SkippedObject> Skipped)
{
    /// <summary>How many findings refuse a rule.</summary>
    public int Errors => Findings.Count(static f => f.Diagnostic.Severity == Severity.Error);

    /// <summary>How many findings are warnings.</summary>
    public int Warnings => Findings.Count - Errors;
}
