using Mesh.Rules.Snapshots;

namespace Mesh.Proxy.Http1;

/// <summary>What its route says of a request's time and its retries. The default limits nothing and tries once.</summary>
/// <param name="Retry">Retries; null for none.</param>
/// <param name="Timeout">Time for all attempts together; zero for none.</param>
/// <param name="Source">Rule and path of the route, for those who ask why.</param>
internal readonly record struct RequestPolicy(RetryConfig? Retry = null, TimeSpan Timeout = default, string? Source = null);
