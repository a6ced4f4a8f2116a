namespace Mesh;

/// <summary>
/// <c>Select</c> for all that lies below the namespace Mesh, where it is nearer than System.Linq's. That one is compiled ahead of time for each source of values with each result of values that two calls
/// in a row could make: 15 MB of a native binary, for sequences that are short and read once (sidecar/adr/0016). Thread-safe.
/// </summary>
public static class PlainSelect
{
    /// <summary>What <paramref name="selector"/> makes of each element, at the time when it is asked for.</summary>
    public static IEnumerable<TResult> Select<TSource, TResult>(this IEnumerable<TSource> source, Func<TSource, TResult> selector)
    {
        foreach (TSource element in source)
        {
            yield return selector(element);
        }
    }
}
