using System.Globalization;

namespace Mesh.Peers.Load;

/// <summary>Where load goes: a peer's port, or the backend's own.</summary>
internal sealed record LoadTarget(int Port)
{
    /// <summary>URL whose answer has <paramref name="size"/> bytes.</summary>
    public string Url(int size) => string.Create(CultureInfo.InvariantCulture, $"http://127.0.0.1:{Port}/{size}");
}
