using Mesh.Proxy.Http;
using Mesh.Proxy.Telemetry;

namespace Mesh.Proxy.Http1;

// What is kept of the decisions on a request, for those who ask about it later (adr/0042). A request on which none falls never comes here.
internal sealed partial class Http1Exchange
{
    /// <summary>A decision that is no answer of ours: a retry, a wait, or what a rule in shadow mode would have done. Its verdict is set.</summary>
    /// <param name="decision">The decision; without a reason when the upstream's status is the reason.</param>
    /// <param name="status">That status; 0 for none.</param>
    private void Decided(in DecisionRecord decision, int status = 0) =>
        _record.Decided(decision, _cluster, _outcome, _attempt, ProxyErrors.UpstreamAnswer(status));

    /// <summary>We answer, in the upstream's place or by a Fallback.</summary>
    private void Decided(in ProxyError error)
    {
        bool isReplaced = error.StandIn is not null || _again == Again.Elsewhere;
        DecisionVerdict verdict = isReplaced ? DecisionVerdict.Replaced : DecisionVerdict.Refused;
        _record.Decided(error.Decision with { Verdict = verdict }, _failed ?? _cluster, _outcome, _attempt, error);
    }
}
