namespace Mesh.Proxy.Upstream;

/// <summary>What is known of the request for which an endpoint is chosen. The default knows nothing.</summary>
/// <param name="Hash">Hash of what consistent hashing goes by; null when the request has none of it.</param>
/// <param name="Tried">Endpoints that earlier attempts of the request tried; null for a first attempt.</param>
/// <param name="Client">TCP: who the connection has to be made for, because its first bytes will name them; null when any will do.</param>
public readonly record struct PickContext(ulong? Hash = null, IReadOnlyList<Endpoint>? Tried = null, ClientAddresses? Client = null);
