using System.Collections.Immutable;
using System.Globalization;
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
        ServicePortModel? rest = draft.Services.Count == 1 ? draft.Services[0] : draft.Services.Find(static s => !s.IsTls);
        ListenerConfig listener = new(
            string.Create(CultureInfo.InvariantCulture, $"{draft.Address}_{draft.Port}"),
            draft.Address,
            draft.Port,
            rest is null ? "" : ClusterCompiler.OutboundName(rest.Host, rest.Port),
            draft.Services[0].Source?.ToString() ?? "")
        {
            IsTls = draft.Services.Exists(static s => s.IsTls),
            IsForAnyAddress = draft.Services.Exists(static s => s.IsForAnyAddress),
        };
        return listener with { Routes = plan.ConnectionsFor(listener, draft.Services) };
    }

    private sealed record Draft(string Address, int Port, List<ServicePortModel> Services);
}
