using System.Text.Json.Nodes;
using Mesh.Cli.Asking;
using Mesh.Cli.Reports;

namespace Mesh.Cli.Breakers;

/// <summary>Runs <c>breaker</c>: shows the circuits that all callers share, and decides about them by hand.</summary>
internal static class BreakerCommand
{
    /// <summary>Does it; gives the exit code.</summary>
    public static int Run(BreakerOptions options, ControlPlane controlPlane, TextWriter output, TextWriter error)
    {
        JsonAnswer answer = options.State is null ? controlPlane.Get("/mesh/v1/breakers") : controlPlane.Post("/mesh/v1/breakers/force", new JsonObject
        {
            ["host"] = options.Host,
            ["state"] = options.State,
            ["forMilliseconds"] = (long)options.For.TotalMilliseconds,
            ["reason"] = options.Reason,
        });
        if (answer.Page is not { } page)
        {
            error.WriteLine($"meshctl: {answer.Problem ?? "the answer is a list; is this the address of a control plane?"}");
            return Application.Refused;
        }

        output.Write(options.Format == OutputFormat.Json ? JsonText.Of(page) : options.State is null ? CircuitTable.List(page, options.Host) : CircuitTable.Forced(page, options.State));
        return Application.Good;
    }
}
