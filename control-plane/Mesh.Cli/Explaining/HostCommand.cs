using System.Text.Json.Nodes;
using Mesh.Cli.Asking;
using Mesh.Cli.Reports;

namespace Mesh.Cli.Explaining;

/// <summary><c>explain host</c>: clusters, values in force with their origin, what they stand at, and the last decisions.</summary>
internal static class HostCommand
{
    private const int LastDecisions = 5;

    /// <summary>Does it; gives the exit code.</summary>
    public static int Run(ExplainOptions options, JsonSource source, RulePlaces places, TextWriter output, TextWriter error)
    {
        string host = Uri.EscapeDataString(options.Name);
        IReadOnlyList<SidecarAnswer> answers = SidecarAnswers.Ask(source, options.Admins, $"/policies?host={host}");
        if (!SidecarAnswers.Note(answers, error))
        {
            return Application.Refused;
        }

        IReadOnlyList<SidecarAnswer> known = [.. answers.Where(static a => a.List("clusters").Any())];
        if (known.Count == 0)
        {
            error.WriteLine($"meshctl: host {options.Name}: no sidecar that was asked knows it ({string.Join(", ", answers.Where(static a => a.Page is not null).Select(static a => a.Name))}); " +
                "is there a Service or ServiceEntry of this name, and is it in the scope of the caller's Sidecar resource?");
            return Application.Refused;
        }

        IReadOnlyList<SidecarAnswer> decisions = SidecarAnswers.Ask(source, known.Select(static a => a.Admin), $"/decisions?host={host}");
        output.Write(options.Format == OutputFormat.Json ? Json(options.Name, known, decisions) : Text(options.Name, known, decisions, places));
        return Application.Good;
    }

    private static string Json(string host, IReadOnlyList<SidecarAnswer> known, IReadOnlyList<SidecarAnswer> decisions) => JsonText.Object(json =>
    {
        json.WriteString("host", host);
        json.WriteStartArray("sidecars");
        foreach ((SidecarAnswer answer, SidecarAnswer decided) in known.Zip(decisions))
        {
            JsonObject copy = answer.Page!.DeepClone().AsObject();
            copy["admin"] = answer.Admin.ToString();
            copy["decisions"] = decided.Page?["decisions"]?.DeepClone();
            copy.WriteTo(json);
        }

        json.WriteEndArray();
    });

    private static string Text(string host, IReadOnlyList<SidecarAnswer> known, IReadOnlyList<SidecarAnswer> decisions, RulePlaces places)
    {
        Block block = new(0);
        foreach ((SidecarAnswer answer, SidecarAnswer decided) in known.Zip(decisions))
        {
            block.Line($"host {host}   as sidecar {answer.Name} sees it; its limits count here alone, each caller's sidecar has its own");
            foreach (JsonObject cluster in answer.List("clusters"))
            {
                block.Line($"  cluster {PolicyLine.Text(cluster, "name")}   {Endpoints(cluster)}");
                Values(block, cluster, places);
            }

            foreach (JsonObject route in answer.List("routes"))
            {
                block.Line($"  route {PolicyLine.Text(route, "name")} of {PolicyLine.Text(route, "host")}");
                Values(block, route, places);
            }

            Decided(block, decided);
        }

        return block.ToString();
    }

    private static void Values(Block block, JsonObject owner, RulePlaces places)
    {
        foreach (string line in PolicyTable.Lines(PolicyLine.Of(owner), places))
        {
            block.Line("    " + line);
        }
    }

    private static void Decided(Block block, SidecarAnswer decided)
    {
        List<Decision> last = ExplainCommand.DecisionsOf([decided]);
        block.Line(last.Count == 0 ? "  no decision on its requests is kept: none was refused, retried or held up lately" : "  last decisions, of which 'meshctl explain ID' tells more");
        foreach (Decision d in last.TakeLast(LastDecisions))
        {
            string id = d.Text("request_id") is { Length: > 0 } known ? known : "-";
            block.Line($"    {d.Text("time")}  {id}  {d.Verdict}  {d.Reason}: {ReasonTexts.Of(d).Because(d)}");
        }
    }

    private static string Endpoints(JsonObject cluster)
    {
        (long all, long ejected, long unhealthy) = (Number(cluster, "endpoints"), Number(cluster, "ejected"), Number(cluster, "unhealthy"));
        return $"{all} endpoint{(all == 1 ? "" : "s")}{(ejected > 0 ? $", {ejected} ejected" : "")}{(unhealthy > 0 ? $", {unhealthy} unhealthy" : "")}";
    }

    private static long Number(JsonObject from, string name) => from[name] is JsonValue value && value.TryGetValue(out long number) ? number : 0;
}
