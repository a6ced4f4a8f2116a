using System.Security.Cryptography;
using System.Text.Json.Nodes;
using Mesh.ControlPlane.Store;
using Mesh.Rules.Kinds;
using Microsoft.AspNetCore.Http;

namespace Mesh.ControlPlane.Api;

/// <summary>What a client asks first: which groups, versions and resources there are. In both forms, the aggregated one of today and the fan-out of kubectl 1.20.</summary>
internal static class Discovery
{
    private const string Aggregated = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
    private static readonly string[] RuleVerbs = ["delete", "deletecollection", "get", "list", "patch", "create", "update", "watch"];
    private static readonly string[] StatusVerbs = ["get", "patch", "update"];

    private static IEnumerable<IGrouping<string, RuleKind>> ByGroup => RuleKinds.All.GroupBy(static k => k.Group);

    /// <summary>Whether the client takes the aggregated form. Anything else gets the old one: a 406 would be final.</summary>
    public static bool IsAggregated(HttpContext context) =>
        context.Request.Headers.Accept.ToString().Contains("as=APIGroupDiscoveryList", StringComparison.Ordinal) &&
        context.Request.Headers.Accept.ToString().Contains("v=v2;", StringComparison.Ordinal);

    /// <summary>Answers with an aggregated document, or 304; the tag follows the content, so a new version's kinds are seen.</summary>
    public static async Task WriteAggregatedAsync(HttpContext context, JsonObject document)
    {
        string tag = "\"" + Convert.ToHexString(SHA256.HashData(JsonReply.Bytes(document)))[..32] + "\"";
        context.Response.Headers.ETag = tag;
        context.Response.Headers.Vary = "Accept";
        context.Response.Headers.CacheControl = "public";
        if (context.Request.Headers.IfNoneMatch == tag)
        {
            context.Response.StatusCode = 304;
            return;
        }

        await JsonReply.WriteAsync(context, 200, document, Aggregated);
    }

    public static JsonObject Version() => new()
    {
        ["major"] = "1",
        ["minor"] = "34", // within one of kubectl 1.35 and close enough for older ones
        ["gitVersion"] = "v1.34.0+mesh",
        ["gitCommit"] = "",
        ["gitTreeState"] = "clean",
        ["buildDate"] = "1970-01-01T00:00:00Z",
        ["goVersion"] = "",
        ["compiler"] = "",
        ["platform"] = "",
    };

    public static JsonObject CoreVersions() => new() { ["kind"] = "APIVersions", ["versions"] = Texts(["v1"]), ["serverAddressByClientCIDRs"] = new JsonArray() };

    public static JsonObject CoreResources() => new()
    {
        ["kind"] = "APIResourceList",
        ["groupVersion"] = "v1",
        ["resources"] = new JsonArray(
            Resource("events", "event", true, "Event", ["get", "list"], ["ev"], []),
            Resource("namespaces", "namespace", false, "Namespace", ["get", "list"], ["ns"], []),
            Resource("services", "service", true, "Service", ["get", "list"], ["svc"], ["all"])),
    };

    public static JsonObject AggregatedCore() => List(new JsonObject
    {
        ["metadata"] = new JsonObject { ["creationTimestamp"] = null },
        ["versions"] = new JsonArray(new JsonObject
        {
            ["version"] = "v1",
            ["resources"] = new JsonArray(
                AggregatedResource("", "v1", "events", "event", "Event", "Namespaced", ["get", "list"], ["ev"], [], false),
                AggregatedResource("", "v1", "namespaces", "namespace", "Namespace", "Cluster", ["get", "list"], ["ns"], [], false),
                AggregatedResource("", "v1", "services", "service", "Service", "Namespaced", ["get", "list"], ["svc"], ["all"], false)),
            ["freshness"] = "Current",
        }),
    });

    public static JsonObject AggregatedGroups() => List([.. ByGroup.Select(static group => new JsonObject
    {
        ["metadata"] = new JsonObject { ["name"] = group.Key, ["creationTimestamp"] = null },
        ["versions"] = new JsonArray([.. VersionsOf(group).Select(version => (JsonNode)new JsonObject
        {
            ["version"] = version,
            ["resources"] = new JsonArray([.. group.Where(k => k.Versions.Contains(version)).Select(k => (JsonNode)AggregatedResource(
                k.Group, version, k.Plural, k.Singular, k.Kind, "Namespaced", RuleVerbs, [.. k.ShortNames], [.. k.Categories], true))]),
            ["freshness"] = "Current",
        })]),
    })]);

    public static JsonObject Groups() => new()
    {
        ["kind"] = "APIGroupList",
        ["apiVersion"] = "v1",
        ["groups"] = new JsonArray([.. ByGroup.Select(static g => (JsonNode)GroupBody(g))]),
    };

    public static JsonObject Group(string name)
    {
        JsonObject group = GroupBody(ByGroup.FirstOrDefault(g => g.Key == name) ?? throw NoSuch());
        group["kind"] = "APIGroup";
        group["apiVersion"] = "v1";
        return group;
    }

    public static JsonObject Resources(string group, string version)
    {
        RuleKind[] kinds = [.. RuleKinds.All.Where(k => k.Group == group && k.Versions.Contains(version))];
        if (kinds.Length == 0)
        {
            throw NoSuch();
        }

        JsonArray resources = [];
        foreach (RuleKind kind in kinds)
        {
            resources.Add((JsonNode)Resource(kind.Plural, kind.Singular, true, kind.Kind, RuleVerbs, [.. kind.ShortNames], [.. kind.Categories]));
            resources.Add((JsonNode)Resource(kind.Plural + "/status", "", true, kind.Kind, StatusVerbs, [], []));
        }

        return new JsonObject { ["kind"] = "APIResourceList", ["apiVersion"] = "v1", ["groupVersion"] = $"{group}/{version}", ["resources"] = resources };
    }

    public static JsonObject Allowed() => new()
    {
        ["kind"] = "SelfSubjectAccessReview",
        ["apiVersion"] = "authorization.k8s.io/v1",
        ["metadata"] = new JsonObject { ["creationTimestamp"] = null },
        ["spec"] = new JsonObject(),
        ["status"] = new JsonObject { ["allowed"] = true, ["reason"] = "the embedded API has no users of its own" },
    };

    public static JsonObject Namespace(string name, TimeProvider time) => new()
    {
        ["kind"] = "Namespace",
        ["apiVersion"] = "v1",
        ["metadata"] = new JsonObject
        {
            ["name"] = name,
            ["creationTimestamp"] = RuleStore.Timestamp(time.GetUtcNow()),
            ["labels"] = new JsonObject { ["kubernetes.io/metadata.name"] = name },
        },
        ["spec"] = new JsonObject(),
        ["status"] = new JsonObject { ["phase"] = "Active" },
    };

    private static ApiError NoSuch() => new(404, "NotFound", "the server could not find the requested resource");

    private static string[] VersionsOf(IEnumerable<RuleKind> group) => [.. group.SelectMany(static k => k.Versions).Distinct()];

    private static JsonObject GroupBody(IGrouping<string, RuleKind> group)
    {
        JsonNode[] versions = [.. VersionsOf(group).Select(v => (JsonNode)new JsonObject { ["groupVersion"] = $"{group.Key}/{v}", ["version"] = v })];
        return new JsonObject { ["name"] = group.Key, ["versions"] = new JsonArray(versions), ["preferredVersion"] = versions[0].DeepClone() };
    }

    private static JsonObject List(params JsonObject[] items) => new()
    {
        ["kind"] = "APIGroupDiscoveryList",
        ["apiVersion"] = "apidiscovery.k8s.io/v2",
        ["metadata"] = new JsonObject(),
        ["items"] = new JsonArray([.. items]),
    };

    private static JsonObject Resource(string name, string singular, bool namespaced, string kind, string[] verbs, string[] shortNames, string[] categories)
    {
        JsonObject resource = new() { ["name"] = name, ["singularName"] = singular, ["namespaced"] = namespaced, ["kind"] = kind, ["verbs"] = Texts(verbs) };
        if (shortNames.Length > 0)
        {
            resource["shortNames"] = Texts(shortNames);
        }

        if (categories.Length > 0)
        {
            resource["categories"] = Texts(categories);
        }

        return resource;
    }

    private static JsonObject AggregatedResource(
        string group, string version, string plural, string singular, string kind, string scope, string[] verbs, string[] shortNames, string[] categories, bool hasStatus)
    {
        JsonObject responseKind = new() { ["group"] = group, ["version"] = version, ["kind"] = kind };
        JsonObject resource = new()
        {
            ["resource"] = plural,
            ["responseKind"] = responseKind,
            ["scope"] = scope,
            ["singularResource"] = singular,
            ["verbs"] = Texts(verbs),
            ["shortNames"] = Texts(shortNames),
        };
        if (categories.Length > 0)
        {
            resource["categories"] = Texts(categories);
        }

        if (hasStatus)
        {
            resource["subresources"] = new JsonArray(new JsonObject
            {
                ["subresource"] = "status",
                ["responseKind"] = responseKind.DeepClone(),
                ["verbs"] = Texts(StatusVerbs),
            });
        }

        return resource;
    }

    private static JsonArray Texts(string[] texts) => new([.. texts.Select(static t => (JsonNode)JsonValue.Create(t))]);
}
