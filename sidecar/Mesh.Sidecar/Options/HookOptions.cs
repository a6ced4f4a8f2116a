using OptionRow = Mesh.Sidecar.Options.OptionRow<Mesh.Sidecar.Options.HookOptions>;
using Taken = Mesh.Sidecar.Options.Taken<Mesh.Sidecar.Options.HookOptions>;

namespace Mesh.Sidecar.Options;

/// <summary>What <c>wait</c> and <c>drain</c> ask of the sidecar beside them: the hooks of its container, in an image that has no other program.</summary>
internal sealed record HookOptions
{
    /// <summary>The defaults of <c>wait</c>.</summary>
    public static HookOptions Wait { get; } = new() { Url = new Uri("http://127.0.0.1:15021/healthz/ready"), Timeout = TimeSpan.FromMinutes(10) };

    /// <summary>The defaults of <c>drain</c>.</summary>
    public static HookOptions Drain { get; } = new() { Url = new Uri("http://127.0.0.1:15020/drain"), Timeout = TimeSpan.FromSeconds(5), IsDrain = true };

    /// <summary>The page.</summary>
    public required Uri Url { get; init; }

    /// <summary>Longest time for it all.</summary>
    public required TimeSpan Timeout { get; init; }

    /// <summary>Whether to say that it drains, once, instead of asking until it is ready.</summary>
    public bool IsDrain { get; init; }

    /// <summary>The options of both, in the order of the help.</summary>
    public static IReadOnlyList<OptionRow> Rows { get; } =
    [
        new("--url", "URL", "page to ask (http://127.0.0.1:15021/healthz/ready, http://127.0.0.1:15020/drain)", TakeUrl),
        new("--timeout", "TIME", "longest wait (10m, 5s)", static (o, v) => OptionRows.TryTime(v, out TimeSpan time) && time > TimeSpan.Zero
            ? o with { Timeout = time } : Taken.Wrong("a number with ms, s, m or h, at most 24h, for example 10m")),
    ];

    private static Taken TakeUrl(HookOptions options, string value) =>
        Uri.TryCreate(value, UriKind.Absolute, out Uri? url) && url.Scheme == "http" ? options with { Url = url } : Taken.Wrong($"a URL, for example {options.Url}");
}
