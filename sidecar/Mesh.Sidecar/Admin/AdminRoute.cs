using Microsoft.AspNetCore.Http;

namespace Mesh.Sidecar.Admin;

/// <summary>One page: method, path, what it does.</summary>
/// <param name="Method">GET (HEAD too) or POST.</param>
/// <param name="Path">Path.</param>
/// <param name="Help">One line for <c>/help</c>.</param>
/// <param name="Answer">Writes the answer.</param>
internal sealed record AdminRoute(string Method, string Path, string Help, Func<HttpContext, Task> Answer);
