using System.Text.Json;
using Mesh.Cli.Asking;
using Mesh.Cli.Reports;
using Mesh.Rules.Kinds;
using Mesh.Rules.Reading;

namespace Mesh.Cli.Explaining;

/// <summary><c>explain rule</c>: what is written and what it does, from files; who obeys it and how often it decided, from sidecars.</summary>
internal static class RuleCommand
{
    /// <summary>Does it; gives the exit code.</summary>
    public static int Run(ExplainOptions options, JsonSource source, RulePlaces places, TextWriter output, TextWriter error)
    {
        RuleKey key = options.Rule;
        (string File, RuleReadResult Read)? written = places.Find(key);
        if (options.Files.Count > 0 && written is null)
        {
            error.WriteLine($"meshctl: {key}: no rule of this name is in {string.Join(", ", options.Files)}, or it has an error ('meshctl validate' tells)");
            return Application.Refused;
        }

        string name = Uri.EscapeDataString($"{key.Namespace}/{key.Name}");
        IReadOnlyList<SidecarAnswer> policies = SidecarAnswers.Ask(source, options.Admins, $"/policies?rule={name}");
        if (!SidecarAnswers.Note(policies, error))
        {
            return Application.Refused;
        }

        IReadOnlyList<SidecarAnswer> decisions = SidecarAnswers.Ask(source, policies.Where(static a => a.Page is not null).Select(static a => a.Admin), $"/decisions?rule={name}");
        RuleKind kind = RuleKinds.All.First(k => k.Kind == key.Kind);
        IReadOnlyList<RuleUse> uses = [.. policies.SelectMany(a => RuleUse.Of(a, key.Kind))];
        IReadOnlyList<RuleHits> hits = [.. decisions.SelectMany(a => RuleHits.Of(a, key.Kind))];
        output.Write(options.Format == OutputFormat.Json ? Json(options, written, uses, hits) : Text(options, kind, written, uses, hits, places));
        return written is null && uses.Count == 0 ? Application.Refused : Application.Good;
    }

    private static string Text(ExplainOptions options, RuleKind kind, (string File, RuleReadResult Read)? written, IReadOnlyList<RuleUse> uses, IReadOnlyList<RuleHits> hits, RulePlaces places)
    {
        Block block = new(0);
        block.Line($"rule {options.Rule}{(written is { } at ? $"   {at.File}:{at.Read.PlaceOf("").Line}" : "")}");
        block.Line($"  {kind.Description}");
        if (written is { } file)
        {
            Written(block, new FieldDocs(kind), file.File, file.Read);
        }

        foreach (RuleUse use in uses)
        {
            block.Line($"  in force at sidecar {use.Sidecar} for {use.Target}");
            foreach (string line in PolicyTable.Lines(use.Values, places))
            {
                block.Line("    " + line);
            }
        }

        foreach (RuleHits hit in hits)
        {
            block.Line($"  decided {(hit.Count == 1 ? "once" : $"{hit.Count} times")} at sidecar {hit.Sidecar}: {hit.Reason}, {hit.Verdict}{(hit.Field.Length > 0 ? $", by {hit.Field}" : "")}, scope {hit.Scope}");
        }

        if (options.Admins.Count > 0 && uses.Count == 0)
        {
            block.Line("  no cluster of the sidecars asked obeys it: its host is not called there, another rule comes first, or it has not arrived");
        }

        return block.ToString();
    }

    private static void Written(Block block, FieldDocs docs, string file, RuleReadResult read)
    {
        List<WrittenValue> values = [.. read.WrittenSpec()];
        int width = values.Count == 0 ? 0 : values.Max(static v => Short(v).Length);
        block.Line("  written");
        foreach (WrittenValue value in values)
        {
            block.Line($"    {file}:{value.Line}  {Short(value).PadRight(width)}  {docs.Of(value.Path)}");
        }

        (string Name, string Default, string Doc)[] defaults = [.. docs.DefaultsIn("spec").Where(d => read.PlaceOf("spec") == read.PlaceOf($"spec.{d.Name}"))];
        if (defaults.Length > 0)
        {
            block.Line("  by default, as nothing is written");
            width = defaults.Max(static d => d.Name.Length + d.Default.Length + 2);
            foreach ((string name, string value, string doc) in defaults)
            {
                block.Line($"    {$"{name}: {value}".PadRight(width)}  {doc}");
            }
        }
    }

    private static string Short(WrittenValue value) => $"{value.Path["spec".Length..].TrimStart('.')}: {value.Value}";

    private static string Json(ExplainOptions options, (string File, RuleReadResult Read)? written, IReadOnlyList<RuleUse> uses, IReadOnlyList<RuleHits> hits) => JsonText.Object(json =>
    {
        json.WriteString("rule", options.Rule.ToString());
        json.WriteString("file", written?.File);
        json.WriteStartArray("written");
        foreach (WrittenValue value in written?.Read.WrittenSpec() ?? [])
        {
            json.WriteStartObject();
            json.WriteString("path", value.Path);
            json.WriteString("value", value.Value);
            json.WriteNumber("line", value.Line);
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteStartArray("in_force");
        foreach (RuleUse use in uses)
        {
            Write(json, use);
        }

        json.WriteEndArray();
        json.WriteStartArray("decided");
        foreach (RuleHits hit in hits)
        {
            json.WriteStartObject();
            json.WriteString("sidecar", hit.Sidecar);
            json.WriteString("reason", hit.Reason);
            json.WriteString("field", hit.Field);
            json.WriteString("scope", hit.Scope);
            json.WriteString("verdict", hit.Verdict);
            json.WriteNumber("count", hit.Count);
            json.WriteEndObject();
        }

        json.WriteEndArray();
    });

    private static void Write(Utf8JsonWriter json, RuleUse use)
    {
        json.WriteStartObject();
        json.WriteString("sidecar", use.Sidecar);
        json.WriteString("target", use.Target);
        json.WriteStartArray("values");
        foreach (PolicyLine value in use.Values)
        {
            json.WriteStartObject();
            json.WriteString("field", value.Field);
            json.WriteString("value", value.Value);
            json.WriteString("now", value.Now.Length == 0 ? null : value.Now);
            json.WriteString("rule", value.Rule);
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteEndObject();
    }
}
