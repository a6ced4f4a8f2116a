using System.Collections.Immutable;
using Mesh.Proxy.Config;
using Mesh.Rules.Compilation;
using Mesh.Rules.Reading;
using Mesh.Rules.Snapshots;
using Mesh.Rules.Validation;
using Mesh.Rules.Wire;

namespace Mesh.Sidecar.Rules;

/// <summary>What is in force now and what it was made of.</summary>
/// <param name="View">Rules, services and endpoints.</param>
/// <param name="Snapshot">The compiled snapshot.</param>
/// <param name="Findings">Warnings of compiling, and listeners that could not be bound.</param>
internal sealed record InForce(MeshView View, ProxySnapshot Snapshot, ImmutableArray<SidecarFinding> Findings);

/// <summary>How putting a view in force ended.</summary>
/// <param name="IsAccepted">Whether it is in force; if not, what was in force before still is.</param>
/// <param name="Findings">Errors when refused, warnings otherwise.</param>
internal readonly record struct PipelineResult(bool IsAccepted, ImmutableArray<SidecarFinding> Findings);

/// <summary>From a view of the mesh to a snapshot in force: compile, apply, remember. Both rule sources end here. One caller at a time.</summary>
/// <param name="identity">Whose view it is.</param>
/// <param name="compiler">Compiles.</param>
/// <param name="apply">Puts a snapshot in force.</param>
internal sealed class SnapshotPipeline(ProxyIdentity identity, SnapshotCompiler compiler, Func<ProxySnapshot, Task<ApplyResult>> apply)
{
    private readonly HashSet<string> _told = [];
    private volatile InForce? _current;

    /// <summary>Told of what nobody but this sidecar's operator can mend, each text once.</summary>
    public Action<string> Tell { get; init; } = static _ => { };

    /// <summary>There is no control plane: rules that need one are warned of.</summary>
    public bool IsAlone { get; init; }

    /// <summary>What is in force; null before the first view.</summary>
    public InForce? Current => _current;

    /// <summary>Version in force, or empty.</summary>
    public string Version => _current?.Snapshot.Version ?? "";

    /// <summary>Compiles <paramref name="view"/> and puts it in force.</summary>
    public async Task<PipelineResult> ApplyAsync(MeshView view, string version)
    {
        CompileResult compiled = compiler.Compile(identity, view, version);
        ApplyResult applied = await apply(compiled.Snapshot);
        if (!applied.IsAccepted)
        {
            return new PipelineResult(false, [.. applied.Errors.Select(static e => new SidecarFinding("", "error", "", e))]);
        }

        foreach (string note in compiled.Notes.Where(_told.Add))
        {
            Tell(note);
        }

        ImmutableArray<SidecarFinding> findings =
        [
            .. compiled.Diagnostics.Select(static d => FindingOf(d.Rule, d.Finding)),
            .. IsAlone ? WithoutControlPlane.Find(compiled.Snapshot) : [],
            .. applied.ListenerProblems.Select(static p => new SidecarFinding(p.Listener.Source, "warning", "spec.ports", p.Problem)),
        ];
        _current = new InForce(view, compiled.Snapshot, findings);
        return new PipelineResult(true, findings);
    }

    /// <summary>A diagnostic as the control plane hears it.</summary>
    public static SidecarFinding FindingOf(RuleKey rule, Diagnostic finding) =>
        new(rule.ToString(), finding.Severity == Severity.Error ? "error" : "warning", finding.Path, finding.Message);
}
