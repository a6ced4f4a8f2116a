using System.Text.Json;
using System.Text.Json.Nodes;
using Mesh.ControlPlane.Kubernetes;
using Mesh.Rules.Wire;

namespace Mesh.ControlPlane.Status;

/// <summary>
/// A replica's sidecars as text for the others: group by group, the rules they run by the set's name. When all is in step that is a line for each namespace. Pure.
/// </summary>
internal static class ReplicaText
{
    /// <summary>Longest text: eight replicas that have so much to say fit into the annotations of one object.</summary>
    public const int MaxLength = 31 * 1024;

    private const int MaxFindings = RuleTally.MaxFindings;
    private const int LongestMessage = 300;

    /// <summary>The text. What does not fit is left out, the smallest groups first.</summary>
    public static string Write(IReadOnlyList<SidecarGroup> groups, RuleSets sets)
    {
        JsonArray list = [];
        int length = 2;
        foreach (SidecarGroup group in groups.OrderByDescending(static g => g.Count))
        {
            JsonObject said = Write(group, sets);
            length += said.ToJsonString().Length + 1;
            if (length > MaxLength)
            {
                break;
            }

            list.Add((JsonNode)said);
        }

        return list.ToJsonString();
    }

    /// <summary>The groups of a text; what is no group of this build's form is left out.</summary>
    public static IEnumerable<SidecarGroup> Read(string text, RuleSets sets)
    {
        JsonDocument document;
        try
        {
            document = JsonDocument.Parse(text);
        }
        catch (JsonException)
        {
            yield break;
        }

        using (document)
        {
            JsonElement root = document.RootElement;
            foreach (JsonElement group in root.ValueKind == JsonValueKind.Array ? root.EnumerateArray() : default)
            {
                if (group.Whole("count") is > 0 and int count)
                {
                    yield return new SidecarGroup(
                        group.Text("namespace"), sets.Find(group.Text("rules")), group.Text("first"), count, group.Bool("refusing") == true,
                        [.. group.Items("findings").Select(static f => new SidecarFinding(f.Text("rule"), f.Text("severity"), f.Text("path"), f.Text("message")))]);
                }
            }
        }
    }

    private static JsonObject Write(SidecarGroup group, RuleSets sets)
    {
        JsonObject said = new() { ["namespace"] = group.Namespace, ["count"] = group.Count, ["first"] = group.FirstId };
        if (group.Rules is not null)
        {
            said["rules"] = sets.NameOf(group.Rules);
        }

        if (group.IsRefusing)
        {
            said["refusing"] = true;
        }

        if (!group.Findings.IsEmpty)
        {
            // Errors first: they decide, and the rest is only said.
            said["findings"] = new JsonArray([
                .. group.Findings.Distinct().OrderBy(static f => f.Severity == "error" ? 0 : 1).Take(MaxFindings).Select(static f => new JsonObject
                {
                    ["rule"] = f.Rule, ["severity"] = f.Severity, ["path"] = f.Path, ["message"] = Shorten(f.Message),
                }),
            ]);
        }

        return said;
    }

    private static string Shorten(string message) => message.Length <= LongestMessage ? message : message[..LongestMessage] + "…";
}
