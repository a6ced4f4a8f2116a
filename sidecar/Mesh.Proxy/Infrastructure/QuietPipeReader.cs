using System.IO.Pipelines;

namespace Mesh.Proxy.Infrastructure;

/// <summary>A reader that does not throw when its peer resets: it completes with <see cref="SafePipe.Reset"/> instead, so nobody has to stand by to catch.</summary>
internal abstract class QuietPipeReader : PipeReader;
