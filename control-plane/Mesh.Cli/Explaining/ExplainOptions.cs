using Mesh.Cli.Asking;
using Mesh.Rules.Kinds;
using Mesh.Rules.Reading;

namespace Mesh.Cli.Explaining;

/// <summary>What <c>explain</c> is about.</summary>
internal enum ExplainSubject
{
    /// <summary>One request, by its x-request-id.</summary>
    Request,

    /// <summary>A host that is called.</summary>
    Host,

    /// <summary>A rule.</summary>
    Rule,
}

/// <summary>What <c>explain</c> is asked for.</summary>
/// <param name="Subject">What it is about.</param>
/// <param name="Name">Request id or host.</param>
/// <param name="Rule">The rule; the default when it is about something else.</param>
/// <param name="Admins">Admin ports of sidecars to ask; empty asks nobody.</param>
/// <param name="Files">Files with rules; may be empty.</param>
/// <param name="Format">Text or JSON.</param>
internal sealed record ExplainOptions(ExplainSubject Subject, string Name, RuleKey Rule, IReadOnlyList<Uri> Admins, IReadOnlyList<string> Files, OutputFormat Format)
{
    /// <summary>Whom to ask when nobody is named: the sidecar beside us.</summary>
    public const string DefaultAdmin = "http://127.0.0.1:15000";

    private const string Usage = "write 'explain REQUEST-ID', 'explain host NAME', or 'explain rule KIND/NAMESPACE/NAME'";

    /// <summary>Reads the arguments after the verb; null with what is wrong.</summary>
    public static (ExplainOptions? Options, string? Problem) Read(IReadOnlyList<string> arguments)
    {
        (Arguments? line, string? problem) = Arguments.Read("explain", arguments, new("--admin", MayRepeat: true), new("--filename", "-f", MayRepeat: true), new("--output", "-o"));
        if (line is null)
        {
            return (null, problem);
        }

        OutputFormat? format = line["--output"] switch { null or "text" => OutputFormat.Text, "json" => OutputFormat.Json, _ => null };
        if (format is null)
        {
            return (null, $"--output: '{line["--output"]}' is no format of explain; write --output text or json");
        }

        (List<Uri> admins, problem) = AdminsOf(line.All("--admin"));
        IReadOnlyList<string> files = line.All("--filename");
        if (problem is not null)
        {
            return (null, problem);
        }

        bool isOffline = admins.Count == 0 && files.Count > 0 && line.Words is ["rule", ..];
        ExplainOptions options = new(ExplainSubject.Request, "", default, admins.Count > 0 || isOffline ? admins : [new Uri(DefaultAdmin)], files, format.Value);
        switch (line.Words)
        {
            case ["host", { Length: > 0 } host]:
                return (options with { Subject = ExplainSubject.Host, Name = host }, null);
            case ["rule", { } text]:
                RuleKey? rule = RuleOf(text);
                return rule is null
                    ? (null, $"explain rule: '{text}' names no rule; write KIND/NAMESPACE/NAME with a kind of {string.Join(", ", RuleKinds.All.Select(static k => k.Kind))}")
                    : (options with { Subject = ExplainSubject.Rule, Name = text, Rule = rule.Value }, null);
            case [{ Length: > 0 } id] when id is not ("host" or "rule"):
                return (options with { Name = id }, null);
            case []:
                return (null, $"explain: nothing to explain; {Usage}");
            default:
                return (null, $"explain: '{string.Join(' ', line.Words)}' is not understood; {Usage}");
        }
    }

    /// <summary>Admin ports as they are written, separated by commas.</summary>
    public static (List<Uri> Admins, string? Problem) AdminsOf(IReadOnlyList<string> values)
    {
        List<Uri> admins = [];
        foreach (string text in values.SelectMany(static v => v.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries)))
        {
            if (!Uri.TryCreate(text.Contains("://", StringComparison.Ordinal) ? text : "http://" + text, UriKind.Absolute, out Uri? admin) || admin.Scheme is not ("http" or "https"))
            {
                return ([], $"--admin: '{text}' is no address; write the sidecar's admin port, such as {DefaultAdmin}");
            }

            admins.Add(admin);
        }

        return (admins, null);
    }

    // As kubectl: any name of the kind, and without a namespace the default one.
    private static RuleKey? RuleOf(string text)
    {
        string[] parts = text.Split('/');
        RuleKind? kind = RuleKinds.All.FirstOrDefault(k =>
            string.Equals(k.Kind, parts[0], StringComparison.OrdinalIgnoreCase) || string.Equals(k.Plural, parts[0], StringComparison.OrdinalIgnoreCase) || k.ShortNames.Contains(parts[0], StringComparer.OrdinalIgnoreCase));
        return kind is null || parts.Any(static p => p.Length == 0) ? null : parts.Length switch
        {
            2 => new RuleKey(kind.Kind, "default", parts[1]),
            3 => new RuleKey(kind.Kind, parts[1], parts[2]),
            _ => null,
        };
    }
}
