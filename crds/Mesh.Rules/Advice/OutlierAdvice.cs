using Mesh.Rules.Kinds;
using Mesh.Rules.Schema;

namespace Mesh.Rules.Advice;

/// <summary>Outlier detection that is legal and never sees a fault.</summary>
internal static class OutlierAdvice
{
    private const int Default5xx = 5;

    public static void Check(OutlierDetection outlier, Cursor at)
    {
        int gateway = outlier.ConsecutiveGatewayErrors ?? 0;
        int all = outlier.Consecutive5xxErrors ?? (outlier.ConsecutiveGatewayErrors is null ? outlier.ConsecutiveErrors : null) ?? Default5xx;
        bool seesLocalOrigin = outlier is { SplitExternalLocalOriginErrors: true, ConsecutiveLocalOriginFailures: not 0 };
        if (all == 0 && gateway == 0 && !seesLocalOrigin)
        {
            at.Field("consecutive5xxErrors").Advise("detector-off", "no fault is ever seen: both detectors are off; write consecutive5xxErrors: 5, or consecutiveGatewayErrors: 5");
        }
        else if (all > 0 && gateway >= all)
        {
            at.Field("consecutiveGatewayErrors").Advise(
                "gateway-errors-unseen",
                $"never acts: a 502, 503 or 504 is a 5xx too, and {all} of those eject first; write less than {all}, or consecutive5xxErrors: 0");
        }
    }
}
