using System.Collections.Immutable;
using Mesh.Rules.Reading;

namespace Mesh.Sidecar.Rules;

/// <summary>Reads every document of a text; never throws for what the text holds.</summary>
/// <param name="text">YAML or JSON, one or more documents.</param>
/// <param name="source">Where the text stands, for <see cref="RuleDocument.Source"/>.</param>
internal delegate ImmutableArray<RuleReadResult> ReadRules(string text, string source);
