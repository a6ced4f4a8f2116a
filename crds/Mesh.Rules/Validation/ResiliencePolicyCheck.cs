using Mesh.Rules.Advice;
using Mesh.Rules.Kinds;
using Mesh.Rules.Schema;

namespace Mesh.Rules.Validation;

/// <summary>What no single field of a ResiliencePolicy can tell.</summary>
internal static class ResiliencePolicyCheck
{
    private static readonly string[] ActsTwice = ["POST", "PATCH"];

    public static void Check(ResiliencePolicy policy, Cursor spec)
    {
        if (policy.Host is { } host && HostName.CheckWildcard(host) is { } problem)
        {
            spec.Field("host").Error(problem);
        }

        if (policy.Subset is { } subset && !HostName.IsLowerLabel(subset))
        {
            spec.Field("subset").Error($"subset name is invalid: {subset}");
        }

        if (policy.Route is "")
        {
            spec.Field("route").Error("route name cannot be empty; write the name of a route of a VirtualService, or leave the field out");
        }

        if (policy.IsCallee)
        {
            ConcurrencyCheck.CheckCallee(policy, spec);
        }
        else
        {
            CheckOfCaller(policy, spec);
        }

        if (policy.Concurrency is { } concurrency)
        {
            ConcurrencyCheck.Check(concurrency, policy.Mode == ResiliencePolicy.ShadowMode, spec.Field("concurrency"));
        }

        if (policy.Mode == ResiliencePolicy.ShadowMode)
        {
            ShadowCheck.Check(policy, spec);
        }

        if (policy.MeshLimits is { MaxConnections: null, MaxRequests: null })
        {
            spec.Field("meshLimits").Warn("limits nothing; write maxConnections or maxRequests");
        }

        if (policy.TransactionId is { } id)
        {
            TransactionIdCheck.Check(id, spec.Field("transactionId"));
        }

        if (policy.AsyncReply is { } reply)
        {
            AsyncReplyCheck.Check(reply, spec.Field("asyncReply"));
        }

        if (policy.Retries is { } retries)
        {
            CheckRetries(retries, spec.Field("retries"));
        }
    }

    private static void CheckOfCaller(ResiliencePolicy policy, Cursor spec)
    {
        if (policy.Route is not null)
        {
            CheckOfRoute(policy, spec);
        }

        if (policy is { Profile: null, PendingTimeout: null, WriteTimeout: null, Retries: null, Concurrency: null, MeshLimits: null, TransactionId: null, AsyncReply: null })
        {
            spec.Warn("says nothing yet: write profile: safe, pendingTimeout, writeTimeout, meshLimits, retries, concurrency, transactionId or asyncReply");
        }
    }

    // A cluster serves many routes: what belongs to its connections cannot differ from route to route.
    private static void CheckOfRoute(ResiliencePolicy policy, Cursor spec)
    {
        const string Advice = "belongs to the host's connections, which all routes share; write it in a policy without route";
        if (policy.PendingTimeout is not null)
        {
            spec.Field("pendingTimeout").Error(Advice);
        }

        if (policy.WriteTimeout is not null)
        {
            spec.Field("writeTimeout").Error(Advice);
        }

        if (policy.Concurrency is not null)
        {
            spec.Field("concurrency").Error(Advice);
        }

        if (policy.MeshLimits is not null)
        {
            spec.Field("meshLimits").Error(Advice);
        }

        if (policy.TransactionId is not null)
        {
            spec.Field("transactionId").Error("belongs to the host, whose calls all carry one; write it in a policy without route");
        }

        if (policy.AsyncReply is not null)
        {
            spec.Field("asyncReply").Error("belongs to the host, whose callers choose by their Prefer field; write it in a policy without route");
        }

        if (policy.Retries?.Budget is not null)
        {
            spec.Field("retries").Field("budget").Error(Advice);
        }
    }

    private static void CheckRetries(ResilienceRetries retries, Cursor at)
    {
        RetryAdvice.CheckAttempts(retries.Attempts ?? 0, at.Field("attempts"));
        Cursor methods = at.Field("methods");
        for (int i = 0; i < retries.Methods.Length; i++)
        {
            string method = retries.Methods[i];
            bool isEvery = method == ResilienceRetries.EveryMethod;
            if (isEvery ? retries.Methods.Length > 1 : method.Length == 0 || !method.All(static c => char.IsAsciiLetterUpper(c) || c == '-'))
            {
                methods.Item(i).Error(isEvery
                    ? "\"*\" lets every method through; write it alone, or name the methods"
                    : $"{RuleNode.Quote(method)} is no method; write it in capitals, such as GET");
            }
            else if (ActsTwice.Contains(method))
            {
                methods.Item(i).Warn($"a repeated {method} may act twice; leave it out and let callers send an Idempotency-Key, which lets {method} through");
            }
        }

        if (retries.Backoff is { } backoff)
        {
            CheckBackoff(backoff, at.Field("backoff"));
        }
    }

    private static void CheckBackoff(ResilienceBackoff backoff, Cursor at)
    {
        if (backoff is { Base: { } first, Max: { } longest } && longest < first)
        {
            at.Field("max").Error("max must be greater than or equal to base");
        }

        if (backoff is { JitterRatio: not null, Jitter: not "ratio" })
        {
            at.Field("jitterRatio").Warn("has no effect without jitter: ratio");
        }

        if (backoff.Jitter == "none")
        {
            at.Field("jitter").Warn("without chance all callers come back at the same moment; write jitter: full");
        }
    }
}
