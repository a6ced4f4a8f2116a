using System.Buffers.Text;
using Mesh.Proxy.Breakers;
using Mesh.Proxy.Http;
using Mesh.Proxy.Upstream;

namespace Mesh.Proxy.Http1;

// The deadline of a caller that says how long it waits (x-envoy-expected-rq-timeout-ms, adr/0023): nothing is begun for one who has gone.
internal sealed partial class Http1Exchange
{
    private long _callerDueAt; // timestamp; 0 when the caller says nothing
    private TimeSpan _callerLimit;
    private bool _isRouteTimeTheCallers;

    // Of a body that was sent before nobody knows when its last byte came, from which the caller counts.
    private bool IsCallerGone => _callerDueAt != 0 && (_attempt == 1 || _request.Framing.Kind == BodyKind.None) && context.Now >= _callerDueAt;

    /// <summary>Reads how long the caller waits: counted from the first byte of its request. What cannot be read is passed over.</summary>
    private void ReadCallerDeadline()
    {
        ReadOnlySpan<byte> text = _request.Headers.Value(_request.Headers.Find(KnownHeader.EnvoyExpectedTimeout));
        if (Utf8Parser.TryParse(text, out uint milliseconds, out int used) && used == text.Length && milliseconds > 0)
        {
            _callerLimit = TimeSpan.FromMilliseconds(milliseconds);
            _callerDueAt = _client.ArrivedAt + (long)(_callerLimit.TotalSeconds * context.Runtime.Time.TimestampFrequency);
        }
    }

    /// <summary>Time of the route, or what the caller has left if that is less and the profile of the cluster goes by it.</summary>
    private TimeSpan CapByCaller(TimeSpan route, long now)
    {
        if (_callerDueAt == 0 || !_cluster!.Config.HonoursCallerDeadline)
        {
            return route;
        }

        TimeSpan left = context.Between(now, _callerDueAt);
        _isRouteTimeTheCallers = left > TimeSpan.Zero && (route == TimeSpan.Zero || left < route);
        return _isRouteTimeTheCallers ? left : route;
    }

    /// <summary>Answers one who waits no more; a connection that was had for it goes back unused.</summary>
    private ValueTask<bool> RefuseLateAsync(UpstreamConnection? unused)
    {
        _again = Again.No;
        unused?.Release(reusable: true);
        TellBreaker(BreakerOutcome.Ignored, TimeSpan.Zero);
        _cluster!.Stats.RqCallerDeadline.Add();
        return RefuseAsync(ProxyErrors.CallerDeadline(_callerLimit), goesOn: true);
    }
}
