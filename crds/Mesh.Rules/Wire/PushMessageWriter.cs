using System.Collections.Immutable;
using System.Text;
using System.Text.Json.Nodes;
using Mesh.Rules.Reading;

namespace Mesh.Rules.Wire;

/// <summary>
/// Writes a push as a stream of YAML documents: a header (version, services, endpoints, what is gone), then each rule as it would stand in a
/// file. The same push gives the same text. <see cref="PushMessageReader"/> reads it. Stateless.
/// </summary>
public static class PushMessageWriter
{
    /// <summary>The push as text with <c>\n</c> line ends; empty sections are left out.</summary>
    public static string Write(PushMessage push)
    {
        StringBuilder text = new(RuleWriter.ToYaml(Header(push)));
        foreach (PushedRule rule in push.Rules)
        {
            text.Append("---\n").Append(rule.Yaml);
            if (!rule.Yaml.EndsWith('\n'))
            {
                text.Append('\n');
            }
        }

        return text.ToString();
    }

    private static JsonObject Header(PushMessage push)
    {
        JsonObject header = new() { ["mesh"] = PushHeader.Mark, ["version"] = push.Version, ["full"] = push.IsFull };
        AddList(header, "removedRules", push.RemovedRules.Select(static key =>
            new JsonObject { ["kind"] = key.Kind, ["namespace"] = key.Namespace, ["name"] = key.Name }));
        AddList(header, "services", push.Services.Select(Service));
        AddList(header, "removedServices", push.RemovedServices.Select(static host => JsonValue.Create(host)));
        if (!push.Endpoints.IsEmpty)
        {
            JsonObject endpoints = [];
            foreach ((string host, ImmutableArray<MeshEndpoint> list) in push.Endpoints)
            {
                endpoints[host] = new JsonArray([.. list.Select(Endpoint)]);
            }

            header["endpoints"] = endpoints;
        }

        return header;
    }

    private static void AddList(JsonObject header, string name, IEnumerable<JsonNode> items)
    {
        JsonArray list = new([.. items]);
        if (list.Count > 0)
        {
            header[name] = list;
        }
    }

    private static JsonObject Service(MeshService service)
    {
        JsonObject result = new()
        {
            ["host"] = service.Host,
            ["namespace"] = service.Namespace,
            ["ports"] = new JsonArray([.. service.Ports.Select(static p => new JsonObject { ["number"] = p.Number, ["protocol"] = p.Protocol })]),
        };
        AddList(result, "addresses", service.Addresses.Select(static address => JsonValue.Create(address)));
        return result;
    }

    private static JsonObject Endpoint(MeshEndpoint endpoint)
    {
        JsonObject result = new() { ["address"] = endpoint.Address, ["servicePort"] = endpoint.ServicePort };
        if (!endpoint.Labels.IsEmpty)
        {
            result["labels"] = new JsonObject(endpoint.Labels.Select(static l => KeyValuePair.Create(l.Key, (JsonNode?)l.Value)));
        }

        AddText(result, "zone", endpoint.Zone);
        AddText(result, "workload", endpoint.Workload);
        AddText(result, "version", endpoint.Version);
        return result;
    }

    private static void AddText(JsonObject obj, string name, string value)
    {
        if (value.Length > 0)
        {
            obj[name] = value;
        }
    }
}
