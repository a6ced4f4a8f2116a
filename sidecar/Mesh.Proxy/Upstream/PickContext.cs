namespace Mesh.Proxy.Upstream;

/// <summary>What is known of the request for which an endpoint is chosen. The default knows nothing.</summary>
/// <param name="Hash">Hash of what consistent hashing goes by; null when the request has none of it.</param>
/// <param name="Tried">Endpoints that earlier attempts of the request tried; null for a first attempt.</param>
public readonly record struct PickContext(ulong? Hash = null, IReadOnlyList<Endpoint>? Tried = null);
