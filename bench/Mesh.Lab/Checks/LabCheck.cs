using System.Globalization;

namespace Mesh.Lab.Checks;

/// <summary>One statement about a phase, with what was expected and what was found.</summary>
/// <param name="Name">The statement.</param>
/// <param name="Passed">Whether it holds.</param>
/// <param name="Expected">What it asks for.</param>
/// <param name="Actual">What was found.</param>
internal sealed record LabCheck(string Name, bool Passed, string Expected, string Actual)
{
    /// <summary>Both numbers are the same.</summary>
    public static LabCheck Equal(string name, long expected, long actual) => new(name, expected == actual, Text(expected), Text(actual));

    /// <summary>The number is at least so much.</summary>
    public static LabCheck AtLeast(string name, long least, long actual) => new(name, actual >= least, $"at least {Text(least)}", Text(actual));

    /// <summary>The number is at most so much.</summary>
    public static LabCheck AtMost(string name, long most, long actual) => new(name, actual <= most, $"at most {Text(most)}", Text(actual));

    /// <summary>It took less than so long; null: it never happened.</summary>
    public static LabCheck Within(string name, TimeSpan limit, TimeSpan? actual) => new(
        name, actual < limit, string.Create(CultureInfo.InvariantCulture, $"less than {limit.TotalSeconds:0.###} s"),
        actual is { } taken ? string.Create(CultureInfo.InvariantCulture, $"{taken.TotalSeconds:0.000} s") : "not at all");

    /// <summary>The statement itself is the whole check.</summary>
    public static LabCheck That(string name, bool holds) => new(name, holds, "yes", holds ? "yes" : "no");

    private static string Text(long number) => number.ToString(CultureInfo.InvariantCulture);
}
