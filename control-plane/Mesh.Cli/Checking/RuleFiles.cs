namespace Mesh.Cli.Checking;

/// <summary>A text that may hold rules.</summary>
/// <param name="Name">What messages call it: the path as given, or <c>stdin</c>.</param>
/// <param name="Text">The text.</param>
internal readonly record struct RuleText(string Name, string Text);

/// <summary>Collects the texts that the command line names.</summary>
internal static class RuleFiles
{
    /// <summary>What standard input is called in messages.</summary>
    public const string StandardInput = "stdin";

    private static readonly string[] Extensions = [".yaml", ".yml", ".json"];

    // Hidden folders (.git) are not meant, links are: that is how a cluster mounts files. The depth ends a loop of links.
    private static readonly EnumerationOptions Below = new()
    {
        RecurseSubdirectories = true,
        AttributesToSkip = FileAttributes.Hidden,
        MaxRecursionDepth = 16,
        IgnoreInaccessible = false,
    };

    /// <summary>Reads each file once, folders in the order of their names.</summary>
    /// <returns>The texts, and null or the one line that says what could not be read.</returns>
    public static (IReadOnlyList<RuleText> Texts, string? Problem) Read(IReadOnlyList<string> sources, TextReader input)
    {
        List<RuleText> texts = [];
        HashSet<string> seen = new(StringComparer.Ordinal);
        foreach (string source in sources)
        {
            try
            {
                if (source == "-")
                {
                    if (seen.Add(source))
                    {
                        texts.Add(new RuleText(StandardInput, input.ReadToEnd()));
                    }

                    continue;
                }

                string[] files = FilesOf(source);
                if (files.Length == 0)
                {
                    return ([], $"{source}: the folder holds no {string.Join(", ", Extensions)} file");
                }

                foreach (string file in files.Where(f => seen.Add(Path.GetFullPath(f))))
                {
                    texts.Add(new RuleText(file, File.ReadAllText(file)));
                }
            }
            catch (Exception error) when (error is IOException or UnauthorizedAccessException)
            {
                return ([], $"{source}: {error.Message}");
            }
        }

        return texts.Any(static t => t.Name == StandardInput && string.IsNullOrWhiteSpace(t.Text))
            ? ([], $"{StandardInput}: nothing came; pipe rules into it: kubectl get dr,vs,se -o yaml | meshctl validate -")
            : (texts, null);
    }

    private static string[] FilesOf(string source) => !Directory.Exists(source)
        ? [source]
        : [.. Directory.EnumerateFiles(source, "*", Below)
            .Where(static f => Extensions.Contains(Path.GetExtension(f), StringComparer.OrdinalIgnoreCase))
            .Order(StringComparer.Ordinal)];
}
