using Mesh.Load.Running;

namespace Mesh.Load.CommandLine;

/// <summary>What the command line asks for.</summary>
/// <param name="Options">The run.</param>
/// <param name="IsVerbose">Print a line for each call.</param>
/// <param name="JsonFile">Where to write the report as JSON, or null.</param>
internal sealed record Command(LoadOptions Options, bool IsVerbose, string? JsonFile);
