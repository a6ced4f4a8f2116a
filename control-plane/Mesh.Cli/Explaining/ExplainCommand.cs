using Mesh.Cli.Asking;
using Mesh.Cli.Checking;

namespace Mesh.Cli.Explaining;

/// <summary>Runs <c>explain</c>: asks the sidecars, reads the files, says what they know.</summary>
internal static class ExplainCommand
{
    /// <summary>Does it; gives the exit code.</summary>
    public static int Run(ExplainOptions options, TextReader input, TextWriter output, TextWriter error, HttpMessageHandler http)
    {
        (IReadOnlyList<RuleText> texts, string? problem) = RuleFiles.Read(options.Files, input);
        if (problem is not null)
        {
            error.WriteLine($"meshctl: {problem}");
            return Application.WrongUsage;
        }

        using JsonSource source = new(http);
        RulePlaces places = new(texts);
        return options.Subject switch
        {
            ExplainSubject.Host => HostCommand.Run(options, source, places, output, error),
            ExplainSubject.Rule => RuleCommand.Run(options, source, places, output, error),
            _ => Request(options, source, places, output, error),
        };
    }

    private static int Request(ExplainOptions options, JsonSource source, RulePlaces places, TextWriter output, TextWriter error)
    {
        IReadOnlyList<SidecarAnswer> answers = SidecarAnswers.Ask(source, options.Admins, $"/decisions?request={Uri.EscapeDataString(options.Name)}");
        if (!SidecarAnswers.Note(answers, error))
        {
            return Application.Refused;
        }

        List<Decision> decisions = DecisionsOf(answers);
        if (options.Format == OutputFormat.Json)
        {
            output.Write(RequestReport.Json(options.Name, answers, decisions, places));
        }
        else if (decisions.Count > 0)
        {
            output.Write(RequestReport.Text(decisions, places));
        }
        else
        {
            error.WriteLine($"meshctl: {options.Name}: no decision on such a request is known at {string.Join(", ", answers.Where(static a => a.Page is not null).Select(static a => a.Name))}");
            error.WriteLine("meshctl: a request that went well leaves nothing; a sidecar keeps its last 1024 refusals and retries, and 256 waits and shadow decisions, until it ends; " +
                "ask the callers' sidecars and the callees' (--admin URL,URL), or look for the id in their access logs");
        }

        return decisions.Count > 0 ? Application.Good : Application.Refused;
    }

    /// <summary>All decisions in the order of their times.</summary>
    public static List<Decision> DecisionsOf(IEnumerable<SidecarAnswer> answers) =>
        [.. answers.SelectMany(static a => a.List("decisions").Select(json => new Decision(a.Name, json))).OrderBy(static d => d.Text("time"), StringComparer.Ordinal)];
}
