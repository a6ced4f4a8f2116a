using System.Globalization;
using System.Text;
using Mesh.Rules.Snapshots;

namespace Mesh.Proxy.Routing;

/// <summary>The Location of a redirect (semantics 6.3). Pure.</summary>
internal static class RedirectLocation
{
    /// <summary>Where to ask instead; what the rule does not say stays as the request has it.</summary>
    public static string Of(RedirectConfig redirect, in RequestView request, RouteMatch match)
    {
        string asked = Encoding.ASCII.GetString(request.Scheme);
        string scheme = redirect.Scheme ?? asked;
        string path = redirect.Path
            ?? (redirect.PathPrefix is { } prefix ? prefix + Encoding.ASCII.GetString(request.Path[match.MatchedLength(request.Path)..]) : Encoding.ASCII.GetString(request.Path));
        string query = redirect.Path?.Contains('?', StringComparison.Ordinal) == true ? "" : Encoding.ASCII.GetString(request.Query);
        string location = $"{scheme}://{Authority(redirect, request, asked, scheme)}{path}{query}";
        return Encoding.ASCII.GetString(PathRewrite.Escape(location));
    }

    private static string Authority(RedirectConfig redirect, in RequestView request, string asked, string scheme)
    {
        string own = Encoding.ASCII.GetString(request.Authority);
        HostPort place = HostPort.TryParse(request.Authority, out HostPort parsed) ? parsed : new HostPort(.., 0);
        string host = redirect.Authority ?? own[place.Host];
        int port = redirect.Port ?? (redirect.UsesRequestPort ? (place.Port == 0 ? Default(asked) : place.Port)
            : redirect.Authority is not null ? 0 : place.Port == Default(asked) ? 0 : place.Port);
        return port == 0 || port == Default(scheme) ? host : string.Create(CultureInfo.InvariantCulture, $"{host}:{port}");
    }

    private static int Default(string scheme) => scheme == "https" ? 443 : 80;
}
