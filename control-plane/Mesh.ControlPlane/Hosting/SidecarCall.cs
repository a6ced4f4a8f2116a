namespace Mesh.ControlPlane.Hosting;

/// <summary>Marks the routes that a sidecar calls; a route without it is for operators. So a new route is closed until somebody thinks of it.</summary>
internal sealed class SidecarCall
{
    /// <summary>The one mark.</summary>
    public static SidecarCall Mark { get; } = new();
}
