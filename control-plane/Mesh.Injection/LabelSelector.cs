using System.Collections.Immutable;

namespace Mesh.Injection;

/// <summary>One condition of a selector, as Kubernetes writes it.</summary>
/// <param name="Key">Label.</param>
/// <param name="Operator"><c>In</c>, <c>NotIn</c>, <c>Exists</c> or <c>DoesNotExist</c>.</param>
/// <param name="Values">Values of the first two.</param>
public sealed record LabelCondition(string Key, string Operator, ImmutableArray<string> Values)
{
    /// <summary>Whether <paramref name="labels"/> fulfil it. A label that is not there is in no list, as in Kubernetes.</summary>
    public bool Matches(IReadOnlyDictionary<string, string> labels)
    {
        bool exists = labels.TryGetValue(Key, out string? value);
        return Operator switch
        {
            "In" => exists && Values.Contains(value!),
            "NotIn" => !exists || !Values.Contains(value!),
            "Exists" => exists,
            "DoesNotExist" => !exists,
            _ => false,
        };
    }
}

/// <summary>Kubernetes' label selector: all conditions hold. One without conditions selects nothing here, for it was hardly meant.</summary>
/// <param name="Conditions">The conditions; <c>matchLabels</c> are conditions <c>In</c> with one value.</param>
public sealed record LabelSelector(ImmutableArray<LabelCondition> Conditions)
{
    /// <summary>Whether it selects something with <paramref name="labels"/>.</summary>
    public bool Matches(IReadOnlyDictionary<string, string> labels) => Conditions.Length > 0 && Conditions.All(c => c.Matches(labels));
}
