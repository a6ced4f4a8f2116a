using System.Collections.Immutable;
using Mesh.Rules.Kinds;
using Mesh.Rules.Schema;

namespace Mesh.Rules.Validation;

/// <summary>Checks of cross-origin policies. Texts are Istio's.</summary>
internal static class CorsCheck
{
    private static readonly string[] Methods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "CONNECT", "OPTIONS", "TRACE", "*"];

    public static void Check(CorsPolicy? cors, Cursor at)
    {
        if (cors is null)
        {
            return;
        }

        for (int i = 0; i < cors.AllowOrigins.Length; i++)
        {
            HttpMatchCheck.CheckText(cors.AllowOrigins[i], "corsAllowOrigins", at.Field("allowOrigins").Item(i));
        }

        for (int i = 0; i < cors.AllowMethods.Length; i++)
        {
            if (!Methods.Contains(cors.AllowMethods[i], StringComparer.Ordinal))
            {
                at.Field("allowMethods").Item(i).Error(
                    $"{RuleNode.Quote(cors.AllowMethods[i])} is not a supported HTTP method{Suggestion.For(cors.AllowMethods[i], Methods)}", DiagnosticCode.NotSupported);
            }
        }

        CheckNames(cors.AllowHeaders, at.Field("allowHeaders"));
        CheckNames(cors.ExposeHeaders, at.Field("exposeHeaders"));
        if (cors.MaxAge is { } age && age.Ticks % TimeSpan.TicksPerSecond != 0)
        {
            at.Field("maxAge").Error("max_age duration is accurate only to seconds precision; write for example 600s");
        }
    }

    private static void CheckNames(ImmutableArray<string> names, Cursor at)
    {
        for (int i = 0; i < names.Length; i++)
        {
            if (HeaderName.Check(names[i]) is { } problem)
            {
                at.Item(i).Error(problem);
            }
        }
    }
}
