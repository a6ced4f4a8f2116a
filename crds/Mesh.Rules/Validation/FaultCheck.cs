using Mesh.Rules.Kinds;
using Mesh.Rules.Schema;

namespace Mesh.Rules.Validation;

/// <summary>Checks of faults. Texts are Istio's.</summary>
internal static class FaultCheck
{
    private static readonly string[] GrpcStatuses =
    [
        "OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED",
        "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED",
    ];

    public static void Check(FaultInjection? fault, Cursor at)
    {
        if (fault is null)
        {
            return;
        }

        if (fault.Delay is null && fault.Abort is null)
        {
            at.Error("HTTP fault injection must have an abort and/or a delay");
        }

        if (fault.Delay is { } delay)
        {
            CheckDelay(delay, at.Field("delay"));
        }

        if (fault.Abort is { } abort)
        {
            CheckAbort(abort, at.Field("abort"));
        }
    }

    private static void CheckDelay(FaultDelay delay, Cursor at)
    {
        if (delay.ExponentialDelay is not null)
        {
            at.Field("exponentialDelay").Error("exponentialDelay not supported yet; use fixedDelay", DiagnosticCode.NotSupported);
        }
        else if (delay.FixedDelay is null && at.Field("fixedDelay").Node is null)
        {
            at.Field("fixedDelay").Error("fixedDelay is required: how long requests wait, such as 5s", DiagnosticCode.Required);
        }

        if (delay is { Percentage: null, Percent: null })
        {
            at.Warn("nobody is delayed: percentage is not set; write percentage: {value: 100} for everybody");
        }
    }

    private static void CheckAbort(FaultAbort abort, Cursor at)
    {
        if (abort.Http2Error is not null)
        {
            at.Field("http2Error").Error("HTTP/2 abort fault injection not supported yet; use httpStatus", DiagnosticCode.NotSupported);
        }
        else if (abort.HttpStatus is null && abort.GrpcStatus is null)
        {
            at.Error("HTTP abort fault injection must have httpStatus or grpcStatus", DiagnosticCode.Required);
        }

        if (abort.HttpStatus is not null && abort.GrpcStatus is not null)
        {
            at.Error("only one of httpStatus and grpcStatus may be set");
        }

        if (abort.GrpcStatus is { } status && !GrpcStatuses.Contains(status, StringComparer.Ordinal))
        {
            at.Field("grpcStatus").Error($"gRPC status {RuleNode.Quote(status)} is not supported{Suggestion.For(status, GrpcStatuses)}", DiagnosticCode.NotSupported);
        }

        if (abort.Percentage is null)
        {
            at.Warn("nobody is aborted: percentage is not set; write percentage: {value: 100} for everybody");
        }
    }
}
