using System.Diagnostics;
using System.Runtime.InteropServices;

namespace Mesh.Lab.Processes;

/// <summary>Where the programs of this build are: <c>artifacts/bin/PROJECT/CONFIGURATION/PROJECT.dll</c>, beside the lab's own folder.</summary>
internal static class Executables
{
    /// <summary>How to run a project of this build; <c>MESH_SIDECAR</c> names another sidecar, for example the native one.</summary>
    public static ProcessStartInfo Program(string project)
    {
        if (project == "Mesh.Sidecar" && Environment.GetEnvironmentVariable("MESH_SIDECAR") is { Length: > 0 } sidecar)
        {
            return new ProcessStartInfo(sidecar);
        }

        ProcessStartInfo info = new(Host());
        info.ArgumentList.Add(Assembly(project));
        return info;
    }

    /// <summary>The <c>dotnet</c> host that runs this process.</summary>
    public static string Host()
    {
        if (Environment.GetEnvironmentVariable("DOTNET_HOST_PATH") is { Length: > 0 } host && File.Exists(host))
        {
            return host;
        }

        // ROOT/shared/Microsoft.NETCore.App/VERSION/
        string root = Path.GetFullPath(Path.Combine(RuntimeEnvironment.GetRuntimeDirectory(), "..", "..", ".."));
        string file = Path.Combine(root, OperatingSystem.IsWindows() ? "dotnet.exe" : "dotnet");
        return File.Exists(file) ? file : "dotnet";
    }

    /// <summary>The assembly of a project, built in the lab's own configuration.</summary>
    public static string Assembly(string project)
    {
        string own = AppContext.BaseDirectory.TrimEnd(Path.DirectorySeparatorChar);
        string configuration = Path.GetFileName(own);
        string file = Path.GetFullPath(Path.Combine(own, "..", "..", project, configuration, project + ".dll"));
        return File.Exists(file) ? file : throw new LabException($"{project} is not built: {file} is missing; run dotnet build first");
    }
}
