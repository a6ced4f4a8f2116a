using System.Text;
using System.Text.RegularExpressions;
using Mesh.Rules.Snapshots;

namespace Mesh.Proxy.Routing;

/// <summary>A new path for requests of a route: plain text in place of what matched, or every match of an expression replaced. Immutable.</summary>
internal sealed class PathRewrite
{
    private readonly string? _replacement;
    private readonly Regex? _pattern;
    private readonly string _substitution = "";

    private PathRewrite(RewriteConfig config)
    {
        _replacement = config.Path;
        if (config.Pattern is not null)
        {
            _pattern = RoutePattern.TryCreate(config.Pattern);
            _substitution = RoutePattern.Substitution(config.Substitution ?? "");
        }
    }

    /// <summary>Null when <paramref name="config"/> leaves the path.</summary>
    public static PathRewrite? Of(RewriteConfig? config) => config is null or { Path: null, Pattern: null } ? null : new PathRewrite(config);

    /// <summary>New path with the query of the request; null when the path stays.</summary>
    public byte[]? Apply(in RequestView request, RouteMatch match)
    {
        if (!request.Path.StartsWith("/"u8))
        {
            return null; // CONNECT and OPTIONS *
        }

        string path = Encoding.ASCII.GetString(request.Path);
        string? rewritten = _replacement is not null ? _replacement + path[match.MatchedLength(request.Path)..] : _pattern?.Replace(path, _substitution);
        if (rewritten is null || rewritten == path)
        {
            return null;
        }

        // A target that begins otherwise would be another form of it, and could name another host than the one that was checked.
        return [.. rewritten.StartsWith('/') ? ""u8 : "/"u8, .. Escape(rewritten), .. request.Query];
    }

    /// <summary>Bytes of a rule's text that can stand in a request line: what cannot is percent-encoded.</summary>
    public static byte[] Escape(string text)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(text);
        return bytes.Any(static b => !IsPlain(b))
            ? Encoding.ASCII.GetBytes(string.Concat(bytes.Select(static b => IsPlain(b) ? ((char)b).ToString() : $"%{b:X2}")))
            : bytes;
    }

    private static bool IsPlain(byte value) => value is >= (byte)'!' and <= (byte)'~' and not (byte)'#';
}
