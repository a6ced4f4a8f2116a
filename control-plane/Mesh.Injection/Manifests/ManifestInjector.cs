using System.Collections.Immutable;
using System.Text;
using System.Text.Json.Nodes;
using Mesh.Rules.Reading;
using Mesh.Rules.Validation;

namespace Mesh.Injection.Manifests;

/// <summary>How grave something is that was found in a manifest.</summary>
public enum ManifestSeverity
{
    /// <summary>Nothing is written.</summary>
    Error,

    /// <summary>The author should know.</summary>
    Warning,

    /// <summary>What was done, or not.</summary>
    Note,
}

/// <summary>Something that was found.</summary>
/// <param name="Severity">How grave.</param>
/// <param name="Line">Line of the text, from 1.</param>
/// <param name="Message">What, beginning with the object.</param>
public sealed record ManifestFinding(ManifestSeverity Severity, int Line, string Message);

/// <summary>A text with sidecars.</summary>
/// <param name="Text">The text; empty when there are errors.</param>
/// <param name="Findings">What was found, in the order of lines.</param>
public sealed record ManifestResult(string Text, ImmutableArray<ManifestFinding> Findings)
{
    /// <summary>Whether something cannot be injected or read.</summary>
    public bool HasErrors => Findings.Any(static f => f.Severity == ManifestSeverity.Error);
}

/// <summary>
/// Injects the workloads of a YAML or JSON text of many documents. A document that gets no sidecar is written as it was, to the letter; of the others
/// comments are lost, nothing else. Stateless.
/// </summary>
public static class ManifestInjector
{
    /// <summary>Injects.</summary>
    /// <param name="text">The manifests.</param>
    /// <param name="ns">Namespace of objects that name none.</param>
    /// <param name="settings">The operator's settings.</param>
    public static ManifestResult Inject(string text, string ns, InjectionSettings settings)
    {
        StringBuilder output = new();
        List<ManifestFinding> findings = [];
        foreach (ManifestDocument document in ManifestDocument.Split(text))
        {
            string written = Injected(document, ns, settings, findings) is { } changed ? "---\n" + changed : document.Text;
            output.Append(written);
            if (!written.EndsWith('\n'))
            {
                output.Append('\n');
            }
        }

        bool isRefused = findings.Exists(static f => f.Severity == ManifestSeverity.Error);
        return new ManifestResult(isRefused ? "" : output.ToString(), [.. findings]);
    }

    /// <summary>The document with sidecars; null when it stays as it is.</summary>
    private static string? Injected(ManifestDocument document, string ns, InjectionSettings settings, List<ManifestFinding> findings)
    {
        if (document.IsEmpty)
        {
            return null;
        }

        (JsonObject? root, ImmutableArray<Diagnostic> problems) = document.Read();
        findings.AddRange(problems.Select(p => new ManifestFinding(
            ManifestSeverity.Error, Math.Max(p.Line, 1) + document.Line - 1, p.Path.Length > 0 ? $"{p.Path}: {p.Message}" : p.Message)));
        if (root is null || problems.Length > 0)
        {
            return null;
        }

        bool isChanged = false;
        foreach (JsonObject workload in Workload.In(root))
        {
            isChanged |= Inject(workload, document.Line, ns, settings, findings);
        }

        return isChanged ? RuleWriter.ToYaml(root) : null;
    }

    private static bool Inject(JsonObject workload, int line, string ns, InjectionSettings settings, List<ManifestFinding> findings)
    {
        string name = $"{workload.Text("kind")}/{Workload.NameOf(workload)}";
        if (Workload.TemplateOf(workload) is not { } template || template.Map("spec") is not { } spec)
        {
            findings.Add(new ManifestFinding(ManifestSeverity.Warning, line, $"{name}: it has no pod, so it gets no sidecar"));
            return false;
        }

        PodInput input = new(template.Map("metadata"), spec, workload.Map("metadata").Text("namespace") ?? ns, Workload.NameOf(workload));
        InjectionResult result = SidecarInjector.Inject(input, settings);
        findings.AddRange(result.Problems.Select(p => new ManifestFinding(ManifestSeverity.Error, line, $"{name}: {p}")));
        findings.AddRange(result.Warnings.Select(w => new ManifestFinding(ManifestSeverity.Warning, line, $"{name}: {w}")));
        if (!result.IsInjected)
        {
            if (result.Problems.Length == 0)
            {
                findings.Add(new ManifestFinding(ManifestSeverity.Note, line, $"{name}: left as it is: {result.Reason}"));
            }

            return false;
        }

        // In the place of the old ones, so that the order of fields stays; a template without metadata gets it first.
        if (template.ContainsKey("metadata"))
        {
            template["metadata"] = result.Metadata;
        }
        else
        {
            template.Insert(0, "metadata", result.Metadata);
        }

        template["spec"] = result.Spec;
        return true;
    }
}
