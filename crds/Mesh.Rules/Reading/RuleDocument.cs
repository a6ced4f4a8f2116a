using System.Collections.Immutable;
using System.Globalization;
using Mesh.Rules.Kinds;
using Mesh.Rules.Schema;
using Mesh.Rules.Validation;

namespace Mesh.Rules.Reading;

/// <summary>Identity of a rule object: kind, namespace and name.</summary>
/// <param name="Kind">Kind, such as <c>DestinationRule</c>.</param>
/// <param name="Namespace">Namespace.</param>
/// <param name="Name">Name.</param>
public readonly record struct RuleKey(string Kind, string Namespace, string Name)
{
    /// <inheritdoc/>
    public override string ToString() => $"{Kind}/{Namespace}/{Name}";
}

/// <summary>A rule as read: who it is, where it came from, and its bound spec.</summary>
public sealed record RuleDocument
{
    /// <summary>Kind, namespace, name.</summary>
    public required RuleKey Key { get; init; }

    /// <summary>apiVersion as written, such as <c>networking.istio.io/v1alpha3</c>.</summary>
    public required string ApiVersion { get; init; }

    /// <summary>The kind's description.</summary>
    public required RuleKind RuleKind { get; init; }

    /// <summary>The bound spec: a <see cref="DestinationRule"/>, a <see cref="ServiceEntry"/>, …</summary>
    public required object Spec { get; init; }

    /// <summary>metadata.labels.</summary>
    public ImmutableSortedDictionary<string, string> Labels { get; init; } = ImmutableSortedDictionary<string, string>.Empty;

    /// <summary>Annotation by which a kind that is not ours gets a mode: <c>enforce</c> or <c>shadow</c>.</summary>
    public const string ModeAnnotation = "mesh.dev/mode";

    /// <summary>Its value for a rule that is evaluated beside the one in force, and enforces nothing.</summary>
    public const string ShadowMode = "shadow";

    /// <summary>metadata.annotations; few mean something to us: <c>resilience.mesh.dev/…</c>, <see cref="ModeAnnotation"/>.</summary>
    public ImmutableSortedDictionary<string, string> Annotations { get; init; } = ImmutableSortedDictionary<string, string>.Empty;

    /// <summary>Whether <see cref="ModeAnnotation"/> says that it enforces nothing.</summary>
    public bool IsShadow => Annotations.GetValueOrDefault(ModeAnnotation) == ShadowMode;

    /// <summary>metadata.creationTimestamp; the order of several rules for one host depends on it.</summary>
    public DateTimeOffset? CreationTimestamp { get; init; }

    /// <summary>metadata.generation, 0 when unknown.</summary>
    public long Generation { get; init; }

    /// <summary>Where it was read: a file and line, or the control plane.</summary>
    public string Source { get; init; } = "";
}

/// <summary>What reading one document gave: the rule unless there were errors, and every finding.</summary>
/// <param name="Document">The rule; null when there is an error or the kind is not ours.</param>
/// <param name="Diagnostics">All findings, errors and warnings.</param>
/// <param name="SkippedKind">Set when the document is of a kind that is not ours and was skipped (<c>apps/v1 Deployment</c>).</param>
public sealed record RuleReadResult(RuleDocument? Document, ImmutableArray<Diagnostic> Diagnostics, string? SkippedKind = null)
{
    /// <summary>The tree that was read, for <see cref="PlaceOf"/>; null when the text holds none.</summary>
    internal RuleNode? Root { get; init; }

    /// <summary>Where <paramref name="path"/> stands in the text, or the nearest thing around it that was written; (0, 0) when that is unknown.</summary>
    /// <param name="path">A path inside the object, as findings have it (<c>spec.subsets[1].name</c>); empty for the object itself.</param>
    public (int Line, int Column) PlaceOf(string path)
    {
        if (Root is not { } node)
        {
            return (0, 0);
        }

        (int Line, int Column) place = (node.Line, node.Column);
        foreach (string step in path.Split(['.', '['], StringSplitOptions.RemoveEmptyEntries))
        {
            if (step.EndsWith(']') && int.TryParse(step[..^1], CultureInfo.InvariantCulture, out int index) && index >= 0 && index < node.Items.Length)
            {
                node = node.Items[index];
                place = (node.Line, node.Column);
            }
            else if (node.Find(step) is { } field)
            {
                node = field.Value;
                place = (field.Line, field.Column);
            }
            else
            {
                break;
            }
        }

        return place;
    }

    /// <summary>Every plain value of the spec, in the order of the text.</summary>
    public IEnumerable<WrittenValue> WrittenSpec() => Root?.Find("spec") is { } spec ? ValuesOf("spec", spec.Value, spec.Line) : [];

    private static IEnumerable<WrittenValue> ValuesOf(string path, RuleNode node, int line) => node.Kind switch
    {
        RuleNodeKind.Map when node.Fields.Length > 0 => node.Fields.SelectMany(f => ValuesOf($"{path}.{f.Name}", f.Value, f.Line)),
        RuleNodeKind.List when node.Items.Length > 0 => node.Items.SelectMany((item, i) => ValuesOf($"{path}[{i}]", item, item.Line)),
        RuleNodeKind.Map => [new WrittenValue(path, "{}", line)],
        RuleNodeKind.List => [new WrittenValue(path, "[]", line)],
        RuleNodeKind.Null => [new WrittenValue(path, "null", line)],
        _ => [new WrittenValue(path, node.Text, line)],
    };
}
