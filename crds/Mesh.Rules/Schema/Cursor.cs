using Mesh.Rules.Reading;
using Mesh.Rules.Validation;

namespace Mesh.Rules.Schema;

/// <summary>A place in a document plus the list that collects every finding. Passed down by value; one reading, one thread.</summary>
internal readonly struct Cursor
{
    private readonly List<Diagnostic> _sink;
    private readonly int _line;
    private readonly int _column;
    private readonly UnknownFields _unknown;

    public Cursor(string path, RuleNode? node, List<Diagnostic> sink, UnknownFields unknown = UnknownFields.Refuse)
        : this(path, node, node?.Line ?? 0, node?.Column ?? 0, sink, unknown)
    {
    }

    private Cursor(string path, RuleNode? node, int line, int column, List<Diagnostic> sink, UnknownFields unknown)
    {
        _unknown = unknown;
        Path = path;
        Node = node;
        _line = line;
        _column = column;
        _sink = sink;
    }

    public string Path { get; }

    /// <summary>What stands here; null when nothing was written.</summary>
    public RuleNode? Node { get; }

    /// <summary>True for a written object without any field: <c>tcp: {}</c>.</summary>
    public bool IsEmptyMap => Node is { Kind: RuleNodeKind.Map, Fields: [] };

    /// <summary>The place of a field. A field that was not written stands where its object does.</summary>
    public Cursor Field(string name)
    {
        string path = Path.Length == 0 ? name : $"{Path}.{name}";
        return Node?.Find(name) is { } field
            ? new Cursor(path, field.Value, field.Line, field.Column, _sink, _unknown)
            : new Cursor(path, null, _line, _column, _sink, _unknown);
    }

    /// <summary>The place of a list item.</summary>
    public Cursor Item(int index)
    {
        string path = $"{Path}[{index}]";
        return Node is { } node && index < node.Items.Length
            ? new Cursor(path, node.Items[index], _sink, _unknown)
            : new Cursor(path, null, _line, _column, _sink, _unknown);
    }

    /// <summary>
    /// Runs a check of <paramref name="value"/>, which was read from here. What could not be read looks as if it had not been written, so nothing is said of a place
    /// around or at one with an error: <c>simple: ROUNDROBIN</c> is one mistake, not two.
    /// </summary>
    public void Check<T>(T value, Action<T, Cursor> check)
    {
        int read = _sink.Count;
        check(value, this);
        string[] wrong = [.. _sink.Take(read).Where(static d => d.Severity == Severity.Error).Select(static d => d.Path)];
        Diagnostic[] kept = [.. _sink.Where((d, i) => (i < read && d.Severity == Severity.Error) || !Array.Exists(wrong, path => IsWithin(path, d.Path)))];
        _sink.Clear();
        _sink.AddRange(kept);
    }

    public void Error(string message, DiagnosticCode code = DiagnosticCode.Invalid) =>
        _sink.Add(new Diagnostic(Severity.Error, code, Path, _line, _column, message));

    /// <summary>A field stands here that the schema does not have.</summary>
    public void UnknownField(string name, IEnumerable<string> known)
    {
        string hint = Suggestion.For(name, known);
        if (_unknown == UnknownFields.Warn)
        {
            Warn($"\"{name}\" is not known to Mesh {RuleReader.Version} and has no effect{hint}", DiagnosticCode.UnknownField);
        }
        else
        {
            Error($"unknown field \"{name}\"{hint}", DiagnosticCode.UnknownField);
        }
    }

    public void Warn(string message, DiagnosticCode code = DiagnosticCode.Advice) =>
        _sink.Add(new Diagnostic(Severity.Warning, code, Path, _line, _column, message));

    /// <summary>Advises about what stands here; <paramref name="check"/> is the name to search for or to silence.</summary>
    public void Advise(string check, string message) =>
        _sink.Add(new Diagnostic(Severity.Warning, DiagnosticCode.Advice, Path, _line, _column, message) { Check = check });

    /// <summary>Warns that what stands here is accepted without effect.</summary>
    public void NotEnforced(string what) => Warn($"accepted but not enforced yet: {what}", DiagnosticCode.NotEnforced);

    /// <summary>Reports a value of the wrong type.</summary>
    public void TypeError(string message) => Error(message, DiagnosticCode.TypeInvalid);

    private static bool IsWithin(string path, string around) =>
        path.StartsWith(around, StringComparison.Ordinal) && (path.Length == around.Length || path[around.Length] is '.' or '[');
}
