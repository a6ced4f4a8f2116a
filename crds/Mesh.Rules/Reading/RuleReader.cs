using System.Collections.Immutable;
using System.Reflection;
using System.Text.Json.Nodes;
using Mesh.Rules.Kinds;
using Mesh.Rules.Schema;
using Mesh.Rules.Validation;

namespace Mesh.Rules.Reading;

/// <summary>Reads rules from YAML or JSON and checks them. Never throws on bad input: every problem is a finding. Stateless.</summary>
public static class RuleReader
{
    private static readonly string[] TopLevelFields = ["apiVersion", "kind", "metadata", "spec", "status"];

    /// <summary>Version of this build, for messages.</summary>
    internal static string Version { get; } =
        typeof(RuleReader).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion.Split('+')[0] ?? "";

    /// <summary>Reads all documents of a YAML text; a <c>kind: List</c> gives one result for each item, an empty document none.</summary>
    /// <param name="text">The text.</param>
    /// <param name="source">Where it comes from, for <see cref="RuleDocument.Source"/>.</param>
    /// <param name="defaultNamespace">Namespace of objects that name none.</param>
    public static ImmutableArray<RuleReadResult> ReadYaml(string text, string source, string defaultNamespace = "default")
    {
        ImmutableArray<RuleReadResult>.Builder results = ImmutableArray.CreateBuilder<RuleReadResult>();
        foreach (YamlTree.Document document in YamlTree.ReadAll(text))
        {
            if (document.Root is not { } root)
            {
                results.Add(new RuleReadResult(null, document.Problems));
            }
            else if (root.Kind != RuleNodeKind.Null)
            {
                ReadRoot(root, document.Problems, source, defaultNamespace, results);
            }
        }

        return results.ToImmutable();
    }

    /// <summary>Reads one object, as the API server receives it. Findings carry no line.</summary>
    /// <param name="obj">The object; not changed.</param>
    /// <param name="source">Where it comes from, for <see cref="RuleDocument.Source"/>.</param>
    /// <param name="unknown">What a field that this build does not know means.</param>
    public static RuleReadResult ReadJson(JsonObject obj, string source, UnknownFields unknown = UnknownFields.Refuse)
    {
        RuleNode? root = JsonTree.Convert(obj, out ImmutableArray<Diagnostic> problems);
        return root is null ? new RuleReadResult(null, problems) : ReadObject(root, "", problems, source, "default", unknown);
    }

    private static void ReadRoot(
        RuleNode root,
        ImmutableArray<Diagnostic> problems,
        string source,
        string defaultNamespace,
        ImmutableArray<RuleReadResult>.Builder results)
    {
        bool isList = root.Find("kind")?.Value.Text is { } kind && kind.EndsWith("List", StringComparison.Ordinal)
            && root.Find("items")?.Value.Kind == RuleNodeKind.List;
        if (!isList)
        {
            results.Add(ReadObject(root, "", problems, source, defaultNamespace) with { Root = root });
            return;
        }

        ImmutableArray<RuleNode> items = root.Find("items")!.Value.Value.Items;
        for (int i = 0; i < items.Length; i++)
        {
            string prefix = $"items[{i}]";
            ImmutableArray<Diagnostic> mine =
                [.. problems.Where(problem => problem.Path.StartsWith(prefix + ".", StringComparison.Ordinal))];
            results.Add(ReadObject(items[i], prefix, mine, source, defaultNamespace) with { Root = items[i] });
        }
    }

    private static RuleReadResult ReadObject(
        RuleNode root, string path, ImmutableArray<Diagnostic> problems, string source, string defaultNamespace, UnknownFields unknown = UnknownFields.Refuse)
    {
        if (root.Kind != RuleNodeKind.Map)
        {
            return new RuleReadResult(null, problems.Add(RuleJson.NoObject(root, 1)));
        }

        List<Diagnostic> found = [.. problems];
        Cursor at = new(path, root, found, unknown);
        string? apiVersion = RequiredText(at, "apiVersion", "such as networking.istio.io/v1");
        string? kind = RequiredText(at, "kind", "such as DestinationRule");
        if (apiVersion is null || kind is null)
        {
            return new RuleReadResult(null, [.. found]);
        }

        int slash = apiVersion.IndexOf('/', StringComparison.Ordinal);
        string group = slash < 0 ? "" : apiVersion[..slash];
        if (RuleKinds.Find(group, apiVersion[(slash + 1)..], kind) is not { } ruleKind)
        {
            return ForeignKind(at, apiVersion, group, kind, found);
        }

        RuleDocument? document = ReadRule(at, ruleKind, apiVersion, defaultNamespace);
        bool refused = found.Exists(static problem => problem.Severity == Severity.Error);
        string place = root.Line > 0 ? $"{source}:{root.Line}" : source;
        return new RuleReadResult(refused || document is null ? null : document with { Source = place }, [.. found]);
    }

    private static RuleDocument? ReadRule(Cursor at, RuleKind ruleKind, string apiVersion, string defaultNamespace)
    {
        foreach (RuleField field in at.Node!.Fields)
        {
            if (!TopLevelFields.Contains(field.Name, StringComparer.Ordinal))
            {
                at.Field(field.Name).UnknownField(field.Name, TopLevelFields);
            }
        }

        ObjectMetadata metadata = new();
        if (at.Node.Find("metadata") is { Value: { } written })
        {
            ObjectMetadata.Schema.TryRead(written, at.Field("metadata"), out metadata);
        }

        CheckName(metadata, at.Field("metadata"));
        ShadowCheck.CheckMode(metadata.Annotations, ruleKind, at.Field("metadata").Field("annotations").Field(RuleDocument.ModeAnnotation));
        Cursor specAt = at.Field("spec");
        if (specAt.Node is null or { Kind: RuleNodeKind.Null })
        {
            specAt.Error($"spec is required: what the {ruleKind.Kind} says", DiagnosticCode.Required);
            return null;
        }

        if (ruleKind.ReadSpec(specAt.Node, specAt) is not { } spec)
        {
            return null;
        }

        RuleDocument document = new()
        {
            Key = new RuleKey(
                ruleKind.Kind, string.IsNullOrEmpty(metadata.Namespace) ? defaultNamespace : metadata.Namespace, metadata.Name ?? ""),
            ApiVersion = apiVersion,
            RuleKind = ruleKind,
            Spec = spec,
            Labels = metadata.Labels,
            Annotations = metadata.Annotations,
            CreationTimestamp = metadata.CreationTimestamp,
            Generation = metadata.Generation,
        };
        if (document is { IsShadow: true, Spec: DestinationRule rule })
        {
            ShadowCheck.Check(rule, specAt);
        }

        return document;
    }

    private static void CheckName(ObjectMetadata metadata, Cursor at)
    {
        if (string.IsNullOrEmpty(metadata.Name))
        {
            if (string.IsNullOrEmpty(metadata.GenerateName))
            {
                at.Field("name").Error("name or generateName is required", DiagnosticCode.Required);
            }
        }
        else if (!HostName.IsSubdomain(metadata.Name))
        {
            at.Field("name").Error(
                $"{RuleNode.Quote(metadata.Name)} is no name; write lower case letters, digits, '-' and '.', at most 253, such as my-rule");
        }

        if (!string.IsNullOrEmpty(metadata.Namespace) && !HostName.IsLowerLabel(metadata.Namespace))
        {
            at.Field("namespace").Error(
                $"{RuleNode.Quote(metadata.Namespace)} is no namespace; write lower case letters, digits and '-', at most 63");
        }
    }

    private static RuleReadResult ForeignKind(Cursor at, string apiVersion, string group, string kind, List<Diagnostic> found)
    {
        IEnumerable<RuleKind> ofGroup = RuleKinds.All.Where(candidate => candidate.Group == group);
        if (ofGroup.FirstOrDefault(candidate => candidate.Kind == kind) is { } known)
        {
            at.Field("apiVersion").Error(
                $"{kind} is not served as {RuleNode.Quote(apiVersion)}; write {string.Join(" or ", known.Versions.Select(v => $"{group}/{v}"))}",
                DiagnosticCode.NotSupported);
            return new RuleReadResult(null, [.. found]);
        }

        if (Suggestion.Nearest(kind, ofGroup.Select(static candidate => candidate.Kind)) is { } meant && Suggestion.Distance(kind, meant) <= 2)
        {
            at.Field("kind").Error($"unknown kind {RuleNode.Quote(kind)}; did you mean \"{meant}\"?", DiagnosticCode.NotSupported);
            return new RuleReadResult(null, [.. found]);
        }

        return new RuleReadResult(null, [.. found], $"{apiVersion} {kind}");
    }

    private static string? RequiredText(Cursor at, string name, string example)
    {
        if (at.Field(name).Node is { Kind: RuleNodeKind.Text, Text.Length: > 0 } node)
        {
            return node.Text;
        }

        at.Field(name).Error($"{name} is required, {example}", DiagnosticCode.Required);
        return null;
    }
}
