using Mesh.Rules.Kinds;
using Mesh.Rules.Schema;

namespace Mesh.Rules.Validation;

/// <summary>The rate of a RateLimit: tokens for each interval, or a plan.</summary>
internal static class RateLimitPlanCheck
{
    private static readonly TimeSpan LongestWindow = TimeSpan.FromDays(1);

    public static void Check(RateLimit limit, Cursor spec)
    {
        if (limit.Plan is not { } plan)
        {
            if (limit.Tokens is null)
            {
                spec.Field("tokens").Error(
                    "tokens is required: how many requests are let through for each interval, such as 100; or write a plan, such as plan: {total: 2400000, window: 6h}", DiagnosticCode.Required);
            }

            return;
        }

        Cursor at = spec.Field("plan");
        CheckWindow(limit, plan, at);
        if (limit.Key is not null)
        {
            at.Error("a plan is for all requests together; leave key out, or write tokens and interval in place of the plan");
        }

        if (limit.Scope == RateLimit.MeshScope)
        {
            at.Error("a plan is kept in one sidecar; write scope: sidecar, or with scope: mesh the tokens and the interval that it comes to");
        }

        if (limit.Interval is not null && limit.Tokens is null)
        {
            spec.Field("interval").Warn("has no effect without tokens: the plan's window says how fast requests are let through");
        }
    }

    private static void CheckWindow(RateLimit limit, RateLimitPlan plan, Cursor at)
    {
        if (limit.AllowedHours is not null && plan.Window is not null)
        {
            at.Field("window").Error("allowedHours are the window of the plan; leave window out");
        }
        else if (limit.AllowedHours is null && plan.Window is null)
        {
            at.Field("window").Error("window is required: the time for which total is meant, such as 6h; or write allowedHours, which are the window then", DiagnosticCode.Required);
        }
        else if (plan.Window > LongestWindow)
        {
            at.Field("window").Error("must be at most 24h; write what is to be done in a day");
        }
        else if (plan.Window is { Ticks: > 0 } window && LongestWindow.Ticks % window.Ticks != 0)
        {
            at.Field("window").Error("a day must be a whole number of windows, or they would begin at other times each day; write one such as 30m, 1h, 2h, 3h, 4h, 6h, 8h, 12h or 24h");
        }
    }
}
