using Mesh.Proxy.Retry;
using Mesh.Proxy.Telemetry;
using Mesh.Rules.Snapshots;

namespace Mesh.Proxy.Http1;

// Retries that rules in shadow mode would make or refuse (adr/0043, adr/0049). Nothing here changes what becomes of the request.
internal sealed partial class Http1Exchange
{
    private bool _playsPlace; // among the retries that a limit in shadow mode would have let in

    // A policy has switched the retries of the route off, and one in shadow mode may want them: nothing is kept for it.
    private void PlayRetries(RetryConfig? route, in RetryWish wish)
    {
        if (_retry is null && route is { IsOff: true })
        {
            _retry = _spareRetry ??= new RetryState(context.Runtime.Random);
            _retry.Begin(route, wish);
        }
    }

    // What a policy in shadow mode would have done instead, as far as it can be told: after a retry that was not made nobody knows how it went on.
    private void CountShadowRetry(RetryConfig shadow, int before, bool isRetried)
    {
        bool wouldRetry = before < (_retry!.Asked ?? shadow.Attempts) && MayBeSentTwice(shadow)
            && !(shadow.LeavesToCaller && RetryHeaders.IsMadeForAnother(_request.Headers));
        if (wouldRetry != isRetried)
        {
            ShadowStats stats = _cluster!.Stats.NeededShadow;
            (wouldRetry ? stats.Retry : stats.RetrySpared).Add(context.Runtime.Time.GetUtcNow());
        }
    }

    private void EndShadowRetry()
    {
        if (_playsPlace)
        {
            _playsPlace = false;
            _cluster!.EndShadowRetry();
        }
    }
}
