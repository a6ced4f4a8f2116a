using System.Text.Json;

namespace Mesh.ControlPlane.Kubernetes;

/// <summary>What a request brought: a document or a failure, exactly one of them. Whoever gets it disposes it.</summary>
/// <param name="Document">The body.</param>
/// <param name="Failure">Why there is none.</param>
internal readonly record struct ApiAnswer(JsonDocument? Document, ApiFailure? Failure) : IDisposable
{
    /// <summary>The object; only when there is no failure.</summary>
    public JsonElement Object => Document!.RootElement;

    /// <inheritdoc/>
    public void Dispose() => Document?.Dispose();

    public static implicit operator ApiAnswer(ApiFailure failure) => new(null, failure);
}
