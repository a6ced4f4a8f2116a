using System.Text.Json.Nodes;
using Mesh.Cli.Asking;

namespace Mesh.Cli.Explaining;

/// <summary>What one sidecar said.</summary>
/// <param name="Admin">Who was asked.</param>
/// <param name="Page">Its answer; null when there is none.</param>
/// <param name="Problem">Why there is none.</param>
internal sealed record SidecarAnswer(Uri Admin, JsonObject? Page, string? Problem)
{
    /// <summary>Name of the sidecar, or its address.</summary>
    public string Name => Page?["sidecar"]?.ToString() ?? Admin.Authority;

    /// <summary>Objects of a list of the page.</summary>
    public IEnumerable<JsonObject> List(string name) => (Page?[name] as JsonArray)?.OfType<JsonObject>() ?? [];
}

/// <summary>The same question to several sidecars.</summary>
internal static class SidecarAnswers
{
    /// <summary>Asks each for <paramref name="page"/>.</summary>
    public static IReadOnlyList<SidecarAnswer> Ask(JsonSource source, IEnumerable<Uri> admins, string page) =>
    [
        .. admins.Select(admin =>
        {
            JsonAnswer answer = source.Get(new Uri(admin, page));
            return new SidecarAnswer(admin, answer.Page, answer.Problem ?? (answer.Page is null ? $"{admin}: the answer is a list; is this the address of a sidecar's admin port?" : null));
        }),
    ];

    /// <summary>Says on standard error who did not answer; whether anybody did.</summary>
    public static bool Note(IReadOnlyList<SidecarAnswer> answers, TextWriter error)
    {
        foreach (SidecarAnswer silent in answers.Where(static a => a.Problem is not null))
        {
            error.WriteLine($"meshctl: {silent.Problem}");
        }

        if (answers.Count > 0 && answers.All(static a => a.Page is null))
        {
            error.WriteLine("meshctl: no sidecar has answered; name admin ports with --admin URL[,URL...] (in a cluster: kubectl port-forward POD 15000)");
            return false;
        }

        return true;
    }
}
