using System.Globalization;
using System.Text;
using System.Text.Json.Nodes;
using Mesh.ControlPlane.Push;
using Mesh.ControlPlane.Registry;
using Mesh.ControlPlane.Store;
using Mesh.Rules.Wire;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace Mesh.ControlPlane.Hosting;

/// <summary>What a person asks when something is not as it should be: who is there, who runs what.</summary>
/// <param name="store">Rules.</param>
/// <param name="registry">Sidecars and endpoints.</param>
/// <param name="hub">Versions.</param>
/// <param name="time">Clock.</param>
/// <param name="otherReplicas">How many other replicas are known, which have sidecars of their own.</param>
internal sealed class DebugRoutes(IRuleStore store, EndpointRegistry registry, PushHub hub, TimeProvider time, Func<int> otherReplicas)
{
    /// <summary>Header of the sidecars' list that says how many replicas have sidecars which are not on it.</summary>
    public const string OtherReplicas = "x-mesh-other-replicas";

    /// <summary>Adds the routes.</summary>
    public void Map(IEndpointRouteBuilder routes)
    {
        routes.MapGet("/", context => Answers.TextAsync(context, StatusCodes.Status200OK, Overview()));
        routes.MapGet("/mesh/v1/sidecars", context =>
        {
            context.Response.Headers[OtherReplicas] = otherReplicas().ToString(CultureInfo.InvariantCulture);
            return Answers.JsonAsync(context, Sidecars());
        });
        routes.MapGet("/mesh/v1/endpoints", context => Answers.JsonAsync(context, Endpoints()));
    }

    private string Overview()
    {
        StringBuilder text = new();
        string grace = hub.IsSettled ? "" : ", sidecars are still coming back";
        text.Append($"Mesh control plane {CommandLine.Version}, version {hub.Current.Version}{grace}\n\n");
        text.Append("Rules\n");
        foreach (StoredRule rule in store.Current.Rules.Values.OrderBy(static r => r.Key.ToString(), StringComparer.Ordinal))
        {
            JsonNode? programmed = (rule.Object["status"]?["conditions"] as JsonArray)?
                .FirstOrDefault(static c => (string?)c?["type"] == "Programmed");
            text.Append($"  {rule.Key}  generation {rule.Document.Generation}  {(string?)programmed?["message"] ?? "not pushed yet"}\n");
        }

        foreach (RejectedRule rejected in store.Rejected)
        {
            text.Append($"  NOT TAKEN  {rejected.Place}  {rejected.Problem}\n");
        }

        text.Append("\nSidecars\n");
        foreach (RegisteredSidecar sidecar in Sorted())
        {
            SessionView view = sidecar.Session.View;
            string state = sidecar.IsReady ? "" : "  draining";
            string answer = view.NackedVersion.Length > 0 ? $"  refuses {view.NackedVersion}"
                : view.AckedVersion.Length > 0 ? $"  runs {view.AckedVersion}"
                : "";
            string service = sidecar.Registration.Service == "" ? $"pod in {sidecar.Registration.Namespace}" : $"{RegistryState.HostOf(sidecar.Registration)}:{sidecar.Registration.Port}";
            text.Append($"  {sidecar.Id}  {service}  {sidecar.Registration.Address}{state}{answer}\n");
        }

        return text.Append("\nMore: /mesh/v1/sidecars, /mesh/v1/endpoints, /mesh/v1/breakers?format=text; rules with kubectl --server=URL get destinationrules -A\n").ToString();
    }

    private JsonArray Sidecars() => new([.. Sorted().Select(Sidecar)]);

    private IEnumerable<RegisteredSidecar> Sorted() => registry.Sidecars.OrderBy(static s => s.Id, StringComparer.Ordinal);

    private JsonObject Sidecar(RegisteredSidecar sidecar)
    {
        SessionView view = sidecar.Session.View;
        return new JsonObject
        {
            ["id"] = sidecar.Id,
            ["service"] = sidecar.Registration.Service,
            ["namespace"] = sidecar.Registration.Namespace,
            ["port"] = sidecar.Registration.Port,
            ["address"] = sidecar.Registration.Address,
            ["version"] = sidecar.Registration.Version,
            ["zone"] = sidecar.Registration.Zone,
            ["startedAt"] = sidecar.Registration.StartedAt,
            ["ready"] = sidecar.IsReady,
            ["lastSeenMilliseconds"] = (long)time.GetElapsedTime(sidecar.LastSeen).TotalMilliseconds,
            ["streams"] = view.Streams,
            ["sent"] = view.SentVersion,
            ["acked"] = view.AckedVersion,
            ["nacked"] = view.NackedVersion,
            ["inForce"] = sidecar.ReportedVersion,
            ["findings"] = new JsonArray([.. view.Findings.Select(static f => new JsonObject
            {
                ["rule"] = f.Rule, ["severity"] = f.Severity, ["path"] = f.Path, ["message"] = f.Message,
            })]),
        };
    }

    private JsonObject Endpoints()
    {
        JsonObject result = [];
        RegistryState state = registry.Current;
        foreach ((string host, MeshService service) in state.Services)
        {
            result[host] = new JsonObject
            {
                ["addresses"] = new JsonArray([.. service.Addresses.Select(static address => JsonValue.Create(address))]),
                ["ports"] = new JsonArray([.. service.Ports.Select(static p => new JsonObject { ["number"] = p.Number, ["protocol"] = p.Protocol })]),
                ["endpoints"] = new JsonArray([.. state.Endpoints[host].Select(static e => new JsonObject
                {
                    ["address"] = e.Address, ["servicePort"] = e.ServicePort, ["zone"] = e.Zone, ["version"] = e.Version,
                })]),
            };
        }

        return result;
    }
}
