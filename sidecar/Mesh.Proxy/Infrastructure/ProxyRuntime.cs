using Microsoft.Extensions.Logging;

namespace Mesh.Proxy.Infrastructure;

/// <summary>What the outside world gives the proxy: clock, chance, log. Created once in Program, fakes in tests.</summary>
/// <param name="Time">Clock and timers.</param>
/// <param name="Random">Chance; its draws come in a documented order. Must be thread-safe in production (<c>Random.Shared</c>).</param>
/// <param name="Loggers">Loggers.</param>
public sealed record ProxyRuntime(TimeProvider Time, Random Random, ILoggerFactory Loggers);
