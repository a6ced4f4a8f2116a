using System.Text.Json.Nodes;
using Mesh.Cli.Asking;
using Mesh.Cli.Reports;

namespace Mesh.Cli.Status;

/// <summary>Runs <c>status</c>: the sidecars that are registered, which rules each has in force, and what it says of them.</summary>
internal static class StatusCommand
{
    private static readonly string[] Titles = ["ID", "SERVICE", "ADDRESS", "STATE", "SEEN", "RULES"];

    /// <summary>Does it; gives the exit code.</summary>
    public static int Run(StatusOptions options, ControlPlane controlPlane, TextWriter output, TextWriter error)
    {
        JsonAnswer answer = controlPlane.Get("/mesh/v1/sidecars");
        if (answer.Root is not JsonArray list)
        {
            error.WriteLine($"meshctl: {answer.Problem ?? "the answer is no list; is this the address of a control plane?"}");
            return Application.Refused;
        }

        JsonObject[] sidecars = [.. answer.Items];
        output.Write(options.Format == OutputFormat.Json ? JsonText.Of(new JsonObject { ["sidecars"] = list.DeepClone(), ["otherReplicas"] = answer.OtherReplicas })
            : sidecars.Length == 0 ? "no sidecar is registered\n"
            : TextTable.Write(Titles, [.. sidecars.Select(static s => (Cells(s), Notes(s)))]));
        if (answer.OtherReplicas > 0)
        {
            error.WriteLine($"meshctl: these are the sidecars of the replica that answered; {answer.OtherReplicas} more {(answer.OtherReplicas == 1 ? "replica has" : "replicas have")} their own (ask each pod; the rules' statuses count all)");
        }

        return Application.Good;
    }

    private static string[] Cells(JsonObject s)
    {
        string service = Text(s, "service") is { Length: > 0 } name ? $"{name}.{Text(s, "namespace")}:{Text(s, "port")}" : $"(pod in {Text(s, "namespace")})";
        return [Text(s, "id"), service, Text(s, "address"), Text(s, "ready") == "true" ? "ready" : "draining", $"{Text(s, "lastSeenMilliseconds")} ms ago", Rules(s)];
    }

    // What a sidecar refuses counts more than what it runs.
    private static string Rules(JsonObject s) =>
        Text(s, "nacked") is { Length: > 0 } nacked ? $"refuses {nacked}, runs {Text(s, "inForce")}"
        : Text(s, "inForce") is not { Length: > 0 } inForce ? "none yet"
        : inForce == Text(s, "sent") ? $"{inForce} (current)" : $"{inForce} ({Text(s, "sent")} is on its way)";

    private static IEnumerable<string> Notes(JsonObject s) =>
        ((s["findings"] as JsonArray)?.OfType<JsonObject>() ?? []).Select(static f => $"{Text(f, "severity")}: {Text(f, "rule")} {Text(f, "path")}: {Text(f, "message")}");

    private static string Text(JsonObject from, string name) => from[name]?.ToString() ?? "";
}
