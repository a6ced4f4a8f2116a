using System.Text.Json;
using System.Text.Json.Nodes;
using Mesh.ControlPlane.Kubernetes;
using Mesh.Rules.Reading;

namespace Mesh.ControlPlane.Tests.Kubernetes;

/// <summary>Feeds sinks as a watch does, from YAML.</summary>
internal static class Sinks
{
    public static void Set(this IWatchSink sink, string yaml) => With(yaml, sink.Set);

    public static void Remove(this IWatchSink sink, string yaml) => With(yaml, sink.Remove);

    /// <summary>A whole list.</summary>
    public static void List(this IWatchSink sink, params string[] yaml)
    {
        sink.BeginList();
        foreach (string obj in yaml)
        {
            With(obj, sink.AddListed);
        }

        sink.EndList();
    }

    private static void With(string yaml, Action<JsonElement> take)
    {
        (JsonObject? obj, _) = RuleJson.FromYaml(yaml);
        using JsonDocument document = JsonDocument.Parse(obj!.ToJsonString());
        take(document.RootElement);
    }
}
