using System.Text.RegularExpressions;

namespace Mesh.Rules.Tests.Fields;

/// <summary>What a test says of itself: it shows the effect of this field.</summary>
/// <param name="Kind">The rule kind.</param>
/// <param name="Path">The field below spec.</param>
/// <param name="Test">Class and method, or the name of the script or lab.</param>
/// <param name="File">Where it is, from the folder of the solution.</param>
internal sealed record EffectMark(string Kind, string Path, string Test, string File);

/// <summary>Collects the marks from the sources: attributes of tests, and comment lines of scripts and labs.</summary>
internal static partial class EffectMarks
{
    public static IEnumerable<EffectMark> In(DirectoryInfo root) =>
    [
        .. Sources(root, "tests", "*.cs").SelectMany(file => OfTests(root, file)),
        .. Sources(root, "tests", "*.sh").Concat(Sources(root, "bench", "*.cs")).SelectMany(file => OfComments(root, file)),
    ];

    private static IEnumerable<FileInfo> Sources(DirectoryInfo root, string folder, string pattern) =>
        new DirectoryInfo(Path.Combine(root.FullName, folder)).EnumerateFiles(pattern, SearchOption.AllDirectories)
            .Where(file => !Relative(root, file).Split('/').Any(static part => part is "obj" or "bin" or "Mesh.Testing"))
            .OrderBy(file => Relative(root, file), StringComparer.Ordinal);

    private static IEnumerable<EffectMark> OfTests(DirectoryInfo root, FileInfo file)
    {
        string type = "";
        List<(string Kind, string Path)> waiting = [];
        foreach (string line in File.ReadLines(file.FullName))
        {
            type = Type().Match(line) is { Success: true } found ? found.Groups[1].Value : type;
            if (line.TrimStart().StartsWith('['))
            {
                waiting.AddRange(Attribute().Matches(line).Select(static m => (m.Groups[1].Value, m.Groups[2].Value)));
            }

            if (waiting.Count > 0 && Method().Match(line) is { Success: true } method)
            {
                foreach ((string kind, string path) in waiting)
                {
                    yield return new EffectMark(kind, path, $"{type}.{method.Groups[1].Value}", Relative(root, file));
                }

                waiting.Clear();
            }
        }
    }

    private static IEnumerable<EffectMark> OfComments(DirectoryInfo root, FileInfo file) =>
        from line in File.ReadLines(file.FullName)
        let mark = Comment().Match(line)
        where mark.Success
        select new EffectMark(mark.Groups[1].Value, mark.Groups[2].Value, file.Name, Relative(root, file));

    private static string Relative(DirectoryInfo root, FileInfo file) => Path.GetRelativePath(root.FullName, file.FullName).Replace('\\', '/');

    [GeneratedRegex(@"^\s*(?:\w+ )*class (\w+)")]
    private static partial Regex Type();

    [GeneratedRegex("""EffectOf\("([^"]*)", "([^"]*)"\)""")]
    private static partial Regex Attribute();

    [GeneratedRegex(@"^\s*public (?:async )?(?:Task|void) (\w+)\(")]
    private static partial Regex Method();

    [GeneratedRegex(@"^\s*(?:#|//) effect-of: (\S+) (\S+)\s*$")]
    private static partial Regex Comment();
}
