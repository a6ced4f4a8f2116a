using System.Collections.Immutable;
using System.Globalization;
using System.Net;
using Mesh.Rules.Snapshots;

namespace Mesh.Rules.Compilation;

/// <summary>
/// The TCP listeners that services ask for, gathered service by service. TLS services may share one, since clients name the server that they want; of others there is
/// one at most, and it gets what names nobody. Not thread-safe.
/// </summary>
internal sealed class ListenerDrafts
{
    private readonly List<Draft> _all = [];
    private readonly Dictionary<(string Address, int Port), Draft> _byAddress = [];

    /// <summary>Adds a service; false when the address leads to another one already from which it cannot be told apart.</summary>
    public bool TryAdd(ServicePortModel service, string address)
    {
        if (!_byAddress.TryGetValue((address, service.Port), out Draft? draft))
        {
            draft = new Draft(address, service.Port, []);
            _byAddress.Add((address, service.Port), draft);
            _all.Add(draft);
        }

        if (!service.IsTls && draft.Services.Exists(static s => !s.IsTls))
        {
            return false;
        }

        draft.Services.Add(service);
        return true;
    }

    /// <summary>The listeners, in the order in which they were first asked for.</summary>
    public ImmutableArray<ListenerConfig> Finish(RoutePlan plan) => [.. _all.Select(d => Finish(d, plan))];

    private static ListenerConfig Finish(Draft draft, RoutePlan plan)
    {
        List<ServicePortModel> services = draft.Services;
        ServicePortModel? rest = services.Count == 1 ? services[0] : services.Find(static s => !s.IsTls);
        ListenerConfig listener = new(
            string.Create(CultureInfo.InvariantCulture, $"{draft.Address}_{draft.Port}"),
            draft.Address,
            draft.Port,
            rest is null || IsKnownByName(rest, draft) ? "" : ClusterCompiler.OutboundName(rest.Host, rest.Port),
            services[0].Source?.ToString() ?? "")
        {
            IsTls = services.Exists(static s => s.IsTls),
            IsForAnyAddress = services.Exists(static s => s.IsForAnyAddress),
        };
        return listener with { Routes = plan.ConnectionsFor(listener, services, rest is not null && IsKnownByName(rest, draft)) };
    }

    // Without an address of its own a TLS service is its name: redirected connections to its port may be for anybody. Who dials the listener itself means the service.
    private static bool IsKnownByName(ServicePortModel service, Draft draft) =>
        service.IsTls && IPAddress.TryParse(draft.Address, out IPAddress? address) && IPAddress.IsLoopback(address);

    private sealed record Draft(string Address, int Port, List<ServicePortModel> Services);
}
