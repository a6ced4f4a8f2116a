using System.Collections.Immutable;
using Mesh.Rules.Kinds;
using Mesh.Rules.Reading;
using Mesh.Rules.Validation;
using Xunit;

namespace Mesh.Rules.Tests;

/// <summary>Builds rule texts of a few lines and reads them.</summary>
internal static class RuleText
{
    public static RuleReadResult Read(string yaml) => Assert.Single(RuleReader.ReadYaml(yaml, "test.yaml"));

    /// <summary>A DestinationRule whose spec is the given lines (indented by two from here on).</summary>
    public static RuleReadResult Destination(string spec) => Read(Document("DestinationRule", spec));

    /// <summary>A DestinationRule for host a with the given lines under trafficPolicy.</summary>
    public static RuleReadResult Policy(string policy) => Destination("host: a\ntrafficPolicy:\n" + Indent(policy));

    public static RuleReadResult Entry(string spec) => Read(Document("ServiceEntry", spec));

    /// <summary>A VirtualService whose spec is the given lines; throws nothing, says everything.</summary>
    public static RuleReadResult Virtual(string spec) => Read(Document("VirtualService", spec));

    public static DestinationRule Rule(this RuleReadResult result) =>
        (DestinationRule)(result.Document ?? throw new Xunit.Sdk.XunitException(string.Join("\n", result.Diagnostics))).Spec;

    public static ImmutableArray<Diagnostic> Errors(this RuleReadResult result) =>
        [.. result.Diagnostics.Where(d => d.Severity == Severity.Error)];

    public static string Document(string kind, string spec) =>
        $"apiVersion: networking.istio.io/v1\nkind: {kind}\nmetadata:\n  name: x\nspec:\n{Indent(spec)}\n";

    private static string Indent(string lines) => string.Join('\n', lines.Split('\n').Select(line => "  " + line));
}
