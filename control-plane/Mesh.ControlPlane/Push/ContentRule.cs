using System.Collections.Immutable;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using Mesh.ControlPlane.Store;
using Mesh.Rules.Kinds;
using Mesh.Rules.Reading;
using Mesh.Rules.Resolution;
using Mesh.Rules.Wire;

namespace Mesh.ControlPlane.Push;

/// <summary>A rule as it is pushed. Two versions of an object that say the same to a sidecar have the same <see cref="Fingerprint"/>.</summary>
/// <param name="Pushed">What goes on the wire.</param>
/// <param name="Fingerprint">Hash of the text without resourceVersion: a change of status or of annotations, but for the mode, is no change here.</param>
/// <param name="Uid">metadata.uid: a rule deleted and made anew is another rule.</param>
/// <param name="Generation">metadata.generation.</param>
/// <param name="ExportTo">Namespaces that may see it; empty means all.</param>
internal sealed record ContentRule(PushedRule Pushed, string Fingerprint, string Uid, long Generation, ImmutableArray<string> ExportTo)
{
    private static readonly string[] PushedMetadata = ["name", "namespace", "uid", "generation", "creationTimestamp", "labels"];

    /// <summary>What is pushed of a stored rule.</summary>
    public static ContentRule From(StoredRule rule)
    {
        JsonObject metadata = [];
        foreach (string name in PushedMetadata)
        {
            if (rule.Object["metadata"]?[name] is { } value)
            {
                metadata[name] = value.DeepClone();
            }
        }

        metadata["namespace"] ??= rule.Key.Namespace;
        if (rule.Document.Annotations.TryGetValue(RuleDocument.ModeAnnotation, out string? mode))
        {
            metadata["annotations"] = new JsonObject { [RuleDocument.ModeAnnotation] = mode }; // the one that decides what a sidecar does
        }

        JsonObject document = new()
        {
            ["apiVersion"] = rule.Document.ApiVersion,
            ["kind"] = rule.Key.Kind,
            ["metadata"] = metadata,
            ["spec"] = rule.Object["spec"]?.DeepClone(),
        };
        string fingerprint = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(RuleWriter.ToYaml(document))));
        string version = rule.ResourceVersion.ToString(System.Globalization.CultureInfo.InvariantCulture);
        metadata["resourceVersion"] = version;
        PushedRule pushed = new(rule.Key, version, RuleWriter.ToYaml(document));
        return new ContentRule(pushed, fingerprint, UidOf(rule), rule.Document.Generation, ExportToOf(rule.Document));
    }

    /// <summary>metadata.uid of a stored rule.</summary>
    public static string UidOf(StoredRule rule) => (string?)rule.Object["metadata"]?["uid"] ?? "";

    /// <summary>
    /// Whether the rule is sent to sidecars of that namespace. A sidecar always gets the rules of its own namespace, for its inbound side;
    /// which of several rules a host then follows is decided by the sidecar's compiler alone.
    /// </summary>
    public bool IsVisibleTo(string clientNamespace) => IsVisible(Pushed.Key.Namespace, ExportTo, clientNamespace);

    /// <summary><see cref="IsVisibleTo"/> of a rule that is not pushed yet.</summary>
    public static bool IsVisible(string ruleNamespace, ImmutableArray<string> exportTo, string clientNamespace) =>
        ruleNamespace == clientNamespace || exportTo.IsEmpty || exportTo.Contains("*") || exportTo.Contains(clientNamespace);

    /// <summary>exportTo of a rule; empty for kinds that have none. A Sidecar is for its own namespace alone, but that of the root namespace is for all.</summary>
    public static ImmutableArray<string> ExportToOf(RuleDocument document) => document.Spec switch
    {
        DestinationRule rule => rule.ExportTo,
        ServiceEntry entry => entry.ExportTo,
        Sidecar when document.Key.Namespace != RuleSet.RootNamespace => ["."],
        VirtualService { Hosts.IsEmpty: false } rule => rule.ExportTo, // a delegate goes wherever the rules go that refer to it: its exportTo is about those
        _ => [],
    };
}
