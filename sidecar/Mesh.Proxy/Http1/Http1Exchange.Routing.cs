using Mesh.Proxy.Http;
using Mesh.Proxy.Infrastructure;
using Mesh.Proxy.Routing;
using Mesh.Proxy.Telemetry;
using Mesh.Rules.Snapshots;

namespace Mesh.Proxy.Http1;

// What a route does besides leading to a cluster, in Envoy's order: CORS, faults, redirect or direct response, changes (semantics 6.3). A plain route never comes here.
internal sealed partial class Http1Exchange
{
    private RequestEdits? _requestEdits;
    private HeaderEdits? _responseEdits;

    // Plain, not async: a method that stays suspended while the request runs would be an allocation for each (AllocationTests).
    /// <summary>Does what the route asks for, and sends the request on when that was not its answer.</summary>
    private ValueTask<bool> ActAndForwardAsync(RouteChoice choice, RouteMatch match)
    {
        HeaderChanges grant = Grant(match.Route);
        if (AnswersPreflight(match.Route, out ProxyError answer))
        {
            return RefuseAsync(answer, goesOn: true);
        }

        _responseEdits = grant.IsEmpty ? null : HeaderEdits.Of(grant); // on whatever is answered from here on, by us too
        return match.Route.Config.Fault is { } fault ? InjectAndForwardAsync(fault, choice, match, grant) : ChangeAndForwardAsync(choice, match, grant);
    }

    private ValueTask<bool> ChangeAndForwardAsync(RouteChoice choice, RouteMatch match, HeaderChanges grant)
    {
        HttpRouteConfig route = match.Route.Config;
        if (route.Redirect is not null || route.DirectResponse is not null)
        {
            return RefuseAsync(Answer(match, grant), goesOn: true);
        }

        if (choice.Target is { } target)
        {
            ChooseMirrors(route);
            _requestEdits = match.Route.Edit(Router.View(_request), match, target);
            _responseEdits = grant.IsEmpty ? target.Response : HeaderEdits.Of(route.ResponseHeaders, target.Config.ResponseHeaders, grant);
        }

        return BeginAttemptsAsync(choice);
    }

    private ReadOnlySpan<byte> Origin => _request.Headers.Find("origin"u8) is >= 0 and int at ? _request.Headers.Value(at) : default;

    // Not allowed in a cross-origin way: nothing.
    private HeaderChanges Grant(Route route) => route.Cors is { } cors && Origin is { Length: > 0 } origin && cors.Allows(origin)
        ? cors.Grant(origin, isPreflight: false) : HeaderChanges.None;

    private bool AnswersPreflight(Route route, out ProxyError answer)
    {
        answer = default;
        if (route.Cors is not { } cors || !_request.IsOptions || Origin.IsEmpty || _request.Headers.Find("access-control-request-method"u8) < 0)
        {
            return false;
        }

        bool isAllowed = cors.Allows(Origin);
        answer = ProxyErrors.Preflight(isAllowed ? HeaderEdits.Of(route.Config.ResponseHeaders, cors.Grant(Origin, isPreflight: true)) : null);
        return isAllowed || !cors.ForwardsUnmatchedPreflights;
    }

    // Nothing is sent yet, and the time of the route has not begun: a delay counts towards no timeout of the upstream.
    private async ValueTask<bool> InjectAndForwardAsync(FaultConfig fault, RouteChoice choice, RouteMatch match, HeaderChanges grant)
    {
        if (fault.Delay > TimeSpan.Zero && IsHit(fault.DelayPercent))
        {
            _record.AddFlag(ResponseFlag.DI);
            _client.Deadline.Set(context.Limits.StreamIdle, context.Now);
            _pause ??= new Pause(context.Runtime.Time);
            await _pause.WaitAsync(fault.Delay, _client.Loop, _stop.Token);
            if (_clientIsGone || IsTooLate)
            {
                return await FailWithoutConnectionAsync(default);
            }
        }

        bool isAborted = fault.AbortStatus > 0 && IsHit(fault.AbortPercent);
        return await (isAborted ? RefuseAsync(ProxyErrors.FaultAbort(fault.AbortStatus, match.Route.Config.Source), goesOn: true) : ChangeAndForwardAsync(choice, match, grant));
    }

    private bool IsHit(double percent) => percent >= 100 || (percent > 0 && context.Runtime.Random.NextDouble() * 100 < percent);

    private ProxyError Answer(RouteMatch match, HeaderChanges grant)
    {
        HttpRouteConfig route = match.Route.Config;
        if (route.Redirect is not { } redirect)
        {
            return ProxyErrors.DirectResponse(route.DirectResponse!.Status, route.DirectResponse.Body, HeaderEdits.Of(route.ResponseHeaders, grant));
        }

        string location = RedirectLocation.Of(redirect, Router.View(_request), match);
        HeaderChanges changes = new([KeyValuePair.Create("location", location)], [], []);
        return ProxyErrors.DirectResponse(redirect.Code, "", HeaderEdits.Of(changes, route.ResponseHeaders, grant));
    }
}
