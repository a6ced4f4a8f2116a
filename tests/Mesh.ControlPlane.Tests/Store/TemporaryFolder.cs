namespace Mesh.ControlPlane.Tests.Store;

/// <summary>A folder for one test, gone afterwards.</summary>
internal sealed class TemporaryFolder : IDisposable
{
    public string Path { get; } = Directory.CreateTempSubdirectory("mesh-test-").FullName;

    public string File(params string[] steps) => System.IO.Path.Combine([Path, .. steps]);

    public void Dispose() => Directory.Delete(Path, recursive: true);
}
