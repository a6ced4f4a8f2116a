using System.Collections.Immutable;
using System.Globalization;
using System.Text;
using Mesh.Rules.Compilation;
using Mesh.Rules.Reading;
using Mesh.Rules.Validation;

namespace Mesh.Sidecar.Rules;

/// <summary>
/// The rules of a file or of all YAML and JSON files below a folder, as of the last scan. A file that cannot be read as rules keeps the
/// rules it had when it last could. Used by one caller at a time.
/// </summary>
/// <param name="path">File or folder.</param>
/// <param name="read">Reads the documents of a text.</param>
/// <param name="print">Told of each finding, one line: <c>FILE:LINE:COLUMN: …</c>.</param>
internal sealed class RuleFiles(string path, ReadRules read, Action<string> print)
{
    private static readonly string[] Extensions = [".yaml", ".yml", ".json"];
    private ImmutableSortedDictionary<string, RuleFile> _files = ImmutableSortedDictionary.Create<string, RuleFile>(StringComparer.Ordinal);

    /// <summary>The rules as of the last scan.</summary>
    public MeshView View { get; private set; } = new();

    /// <summary>Content version of the texts that <see cref="View"/> comes from: a text that was not taken does not change it.</summary>
    public string Version { get; private set; } = "";

    /// <summary>Called for each new text of a file that is not taken.</summary>
    public Action Rejected { get; init; } = static () => { };

    /// <summary>Looks again. True when there are other rules to put in force.</summary>
    public bool Scan()
    {
        ImmutableSortedDictionary<string, RuleFile>.Builder found =
            ImmutableSortedDictionary.CreateBuilder<string, RuleFile>(StringComparer.Ordinal);
        foreach (string name in FileNames())
        {
            if (ReadText(name) is { } text)
            {
                RuleFile? before = _files.GetValueOrDefault(name);
                found[name] = before?.Text == text ? before : Read(name, text, before);
            }
        }

        ImmutableSortedDictionary<string, RuleFile> next = found.ToImmutable();
        if (Version.Length > 0 && next.Count == _files.Count && next.All(file => ReferenceEquals(_files.GetValueOrDefault(file.Key), file.Value)))
        {
            return false;
        }

        _files = next;
        string version = VersionOf(next);
        if (version == Version)
        {
            return false; // what changed was not taken
        }

        View = new MeshView { Rules = Merge() };
        Version = version;
        return true;
    }

    private IEnumerable<string> FileNames()
    {
        if (File.Exists(path))
        {
            return [path];
        }

        try
        {
            return [.. Directory.EnumerateFiles(path, "*", SearchOption.AllDirectories).Where(static f => Extensions.Contains(Path.GetExtension(f)))];
        }
        catch (IOException)
        {
            return _files.Keys; // the folder is being replaced: what was there stays until the next look
        }
    }

    private string? ReadText(string name)
    {
        try
        {
            return File.ReadAllText(name);
        }
        catch (FileNotFoundException)
        {
            return null; // deleted between listing and reading
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            RuleFile? before = _files.GetValueOrDefault(name);
            if (before is null)
            {
                print($"{name}: cannot be read: {error.Message}");
            }

            return before?.Text;
        }
    }

    private RuleFile Read(string name, string text, RuleFile? before)
    {
        ImmutableArray<RuleReadResult> results = read(text, name);
        bool isBad = false;
        foreach (RuleReadResult result in results)
        {
            foreach (Diagnostic finding in result.Diagnostics)
            {
                isBad |= finding.Severity == Severity.Error;
                string place = finding.Path.Length == 0 ? "" : $"{finding.Path}: ";
                print($"{name}:{finding.Line}:{finding.Column}: {(finding.Severity == Severity.Error ? "error" : "warning")}: {place}{finding.Message}");
            }
        }

        if (isBad)
        {
            Rejected();
            print($"{name}: not taken; {(before is { Rules.Length: > 0 } ? "the rules it had stay in force" : "it has no rules in force")}");
        }

        return isBad
            ? new RuleFile(text, before?.Taken, before?.Rules ?? [])
            : new RuleFile(text, text, [.. results.Where(static r => r.Document is not null).Select(static r => r.Document!)]);
    }

    private ImmutableDictionary<RuleKey, RuleDocument> Merge()
    {
        ImmutableDictionary<RuleKey, RuleDocument>.Builder rules = ImmutableDictionary.CreateBuilder<RuleKey, RuleDocument>();
        foreach (RuleDocument document in _files.Values.SelectMany(static f => f.Rules))
        {
            if (rules.TryGetValue(document.Key, out RuleDocument? other))
            {
                print($"{document.Source}: warning: {document.Key} is also in {other.Source}, which is used; delete one of them");
                continue;
            }

            rules[document.Key] = document;
        }

        return rules.ToImmutable();
    }

    // FNV-1a: it tells states of a folder apart for people; a cryptographic hash would load a library of 3 MiB for it.
    private static string VersionOf(ImmutableSortedDictionary<string, RuleFile> files)
    {
        ulong hash = 14695981039346656037;
        foreach ((string name, RuleFile file) in files.Where(static f => f.Value.Taken is not null))
        {
            foreach (byte value in Encoding.UTF8.GetBytes($"{name}\0{file.Taken}\0"))
            {
                hash = (hash ^ value) * 1099511628211;
            }
        }

        return hash.ToString("x16", CultureInfo.InvariantCulture)[..12];
    }

    /// <param name="Text">What the file holds.</param>
    /// <param name="Taken">The text that its rules come from; null when none of its texts could be taken.</param>
    /// <param name="Rules">Its rules in force.</param>
    private sealed record RuleFile(string Text, string? Taken, ImmutableArray<RuleDocument> Rules);
}
