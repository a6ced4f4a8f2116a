using System.Collections.Immutable;
using Mesh.Proxy.MeshShares;
using Mesh.Rules.Snapshots;
using Mesh.Rules.Wire;

namespace Mesh.Proxy.RateLimits;

// A limit of all sidecars together. Without keys the share is of the one bucket. With keys it is what each key has in this sidecar, but for the few that want more: each of them has a
// share of its own in its place (control-plane/adr/0048).
internal sealed partial class RateLimiter
{
    private readonly bool _isAlone;
    private readonly AskedRate _asked = new();
    private MeshShare? _share; // null for a limit of this sidecar alone
    private SharedKeys? _sharedKeys; // null without keys, and where there is nobody to share with

    /// <summary>The part of a limit of all sidecars together; null for another.</summary>
    public ShareView? Share
    {
        get
        {
            lock (_gate)
            {
                return _share is { } share
                    ? new ShareView(share.Rule, share.Field, share.Share, share.Total, (int)Math.Min(_stats.Waiting.Value, int.MaxValue)) { Keys = _sharedKeys?.Count ?? 0 }
                    : null;
            }
        }
    }

    /// <summary>Puts a share in force that the control plane gives. Tokens and places stay; who waits has its token sooner or later than before.</summary>
    /// <returns>True when it is a smaller one.</returns>
    public bool Follow(LimitOrder order, long now)
    {
        lock (_gate)
        {
            SharedKey? key = order.Key.Length > 0 ? _sharedKeys?.Find(order.Key) : null;
            if (_share is not { } whole || whole.Rule != order.Rule || whole.Field != order.Limit || (key is null && order.Key.Length > 0))
            {
                return false;
            }

            MeshShare share = key?.Share ?? whole;
            int former = share.Share;
            bool isSmaller = share.Take(order);
            if (share.Share != former)
            {
                PutInForceLocked(key, TokenRate.OfShare(_config, share.Share, _frequency), now);
            }

            return isSmaller;
        }
    }

    /// <summary>
    /// Adds what to report of the share, if it has one. Nothing is in use beyond a share, since a smaller one slows at once; so what it says of that is the rate. A limit with keys wants
    /// all or nothing for itself: its part of all keys is the larger the fewer sidecars are called.
    /// </summary>
    public void Report(string cluster, long now, ImmutableArray<LimitReport>.Builder reports, int mostKeys = SharedKeys.Most)
    {
        lock (_gate)
        {
            if (_share is not { } share)
            {
                return;
            }

            long wanted = _asked.Read(_config.Tokens, _config.Interval, now, _frequency);
            wanted = _sharedKeys is null ? wanted : _asked.IsRecent ? _config.Tokens : 0;
            reports.Add(share.ReportOf(cluster, (int)Math.Min(wanted, share.Share), wanted));
            if (_sharedKeys is { } keys)
            {
                keys.Weed(_keyed!.Rate, now, mostKeys).ForEach(k => ChangeLocked(k.Line, _keyed.Rate, now));
                keys.Report(cluster, reports);
            }
        }
    }

    private void PutInForceLocked(SharedKey? key, TokenRate rate, long now)
    {
        if (key is not null)
        {
            ChangeLocked(key.Line, rate, now);
            return;
        }

        if (_keyed is { } keyed)
        {
            keyed.Change(rate, now);
            _sharedKeys?.BeginAt(rate.Tokens).ForEach(k => ChangeLocked(k.Line, rate, now));
        }
        else
        {
            ChangeLocked(_only!, rate, now);
        }
    }

    // Who waits for the hours has taken tokens of the time at which they begin.
    private void ChangeLocked(TokenLine line, TokenRate rate, long now) => line.Change(rate, line.Length > 0 ? _hours?.OpensAt(now) ?? now : now);

    private void ForgetLocked(TokenLine line)
    {
        if (line.Shared is { } key)
        {
            _sharedKeys!.Remove(key);
        }
    }

    /// <summary>The rate of a bucket under a rule that is new, and the share from which it comes: the one that was there goes on.</summary>
    private TokenRate ShareLocked(RateLimitConfig config)
    {
        _share = config.IsMesh ? _share is { } former && former.Rule == config.Rule ? former : new MeshShare(config.Rule, RateLimitConfig.TokensField, config.Tokens, _isAlone) : null;
        _share?.Limit(config.Tokens, _isAlone);
        return _share is { } share ? TokenRate.OfShare(config, share.Share, _frequency) : new TokenRate(config, _frequency);
    }
}
