using System.Globalization;
using Mesh.Rules.Kinds;
using Mesh.Rules.Schema;
using Mesh.Rules.Validation;

namespace Mesh.Rules.Advice;

/// <summary>Retries and timeouts of a route that multiply load, or that have no time.</summary>
internal static class RetryAdvice
{
    private const int MostAttempts = 3;
    private const int Layers = 3;

    /// <summary>Looks at a route of a virtual service.</summary>
    public static void Check(HttpRoute route, Cursor at)
    {
        if (route.Retries is not { Attempts: > 0 and int attempts } retries)
        {
            return;
        }

        Cursor here = at.Field("retries");
        CheckAttempts(attempts, here.Field("attempts"));
        if (route.Timeout is not { } outer || outer <= TimeSpan.Zero || retries.PerTryTimeout is not { } inner || inner <= TimeSpan.Zero)
        {
            return;
        }

        if (inner >= outer)
        {
            here.Field("perTryTimeout").Advise("per-try-ignored", $"{Text(inner)} is not below the route's timeout of {Text(outer)}, and so it is ignored; write less, or a longer timeout");
        }
        else if (Sum(inner, attempts) is var sum && sum > outer)
        {
            here.Field("perTryTimeout").Advise(
                "timeout-cuts-retries",
                $"{attempts + 1L} attempts of {Text(inner)} take up to {Text(sum)}, and the route ends after {Text(outer)}: " +
                $"the last ones never run to their end; write timeout: {Text(sum)}, or fewer attempts");
        }
    }

    /// <summary>Says what a number of retries costs where many layers do it.</summary>
    public static void CheckAttempts(int attempts, Cursor at)
    {
        if (attempts > MostAttempts)
        {
            at.Advise(
                "many-retries",
                string.Create(
                    CultureInfo.InvariantCulture,
                    $"{attempts} retries send up to {attempts + 1L} requests for one, and {Layers} layers that do so {Math.Pow(attempts + 1.0, Layers):0} to the last; ") +
                "write 2, and bound the sum with a ResiliencePolicy of profile: safe");
        }
    }

    private static TimeSpan Sum(TimeSpan one, int retries)
    {
        double ticks = one.Ticks * (retries + 1.0);
        return ticks < TimeSpan.MaxValue.Ticks ? new TimeSpan((long)ticks) : TimeSpan.MaxValue;
    }

    private static string Text(TimeSpan time) => DurationText.Short(time);
}
