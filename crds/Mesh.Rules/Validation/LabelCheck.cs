using System.Collections.Immutable;
using Mesh.Rules.Schema;

namespace Mesh.Rules.Validation;

/// <summary>Checks of labels, as Kubernetes allows them, and of selections by them.</summary>
internal static class LabelCheck
{
    private const int MaxLength = 63;

    /// <summary>Checks the labels of a workload.</summary>
    public static void Check(ImmutableSortedDictionary<string, string> labels, Cursor at)
    {
        foreach ((string key, string value) in labels)
        {
            int slash = key.LastIndexOf('/');
            if (!IsName(key[(slash + 1)..]) || (slash >= 0 && !HostName.IsSubdomain(key[..slash])))
            {
                at.Field(key).Error($"invalid tag key: {RuleNode.Quote(key)}; write letters, digits, '-', '_' and '.', at most {MaxLength}");
            }

            if (value.Length > 0 && !IsName(value))
            {
                at.Field(key).Error($"invalid tag value: {RuleNode.Quote(value)}; write letters, digits, '-', '_' and '.', at most {MaxLength}");
            }
        }
    }

    /// <summary>Checks what a selector asks for; <paramref name="all"/> says whom it selects without labels.</summary>
    public static void CheckSelector(ImmutableSortedDictionary<string, string> labels, string all, Cursor at)
    {
        if (labels.IsEmpty)
        {
            at.Advise("selects-all", $"a selector without labels selects {all}; write for example labels: {{app: products}}");
        }

        foreach ((string key, string value) in labels)
        {
            if (key.Length == 0)
            {
                at.Field("labels").Error("empty key is not supported in selector");
            }
            else if (key.Contains('*') || value.Contains('*'))
            {
                at.Field("labels").Field(key).Error($"wildcard is not supported in selector: {RuleNode.Quote($"{key}={value}")}; name the label as the workloads have it");
            }
        }
    }

    private static bool IsName(string text) =>
        text.Length is > 0 and <= MaxLength && char.IsAsciiLetterOrDigit(text[0]) && char.IsAsciiLetterOrDigit(text[^1])
        && text.All(static c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_' or '.');
}
