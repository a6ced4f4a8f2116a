using System.Collections.Immutable;
using Mesh.Sidecar.Options;

namespace Mesh.Sidecar.Pod;

/// <summary>What the downward API says of the pod: files with a line <c>key="value"</c> for each label. Read once, at the start.</summary>
internal static class PodInfo
{
    private static readonly string[] Names = ["service.istio.io/canonical-name", "app.kubernetes.io/name", "app"]; // Istio's order
    private static readonly string[] Revisions = ["service.istio.io/canonical-revision", "app.kubernetes.io/version", "version"];

    /// <summary>
    /// The options with the labels of the pod, and with workload and version in their metrics by those labels. What the command line says goes before. What cannot be read
    /// is told to <paramref name="warn"/>: a sidecar without labels limits all the same.
    /// </summary>
    public static SidecarOptions Complete(SidecarOptions options, Action<string> warn)
    {
        if (options.PodInfo is not { } folder)
        {
            return options;
        }

        ImmutableSortedDictionary<string, string> labels = Read(Path.Combine(folder, "labels"), warn).SetItems(options.Labels);
        return options with
        {
            Labels = labels,
            Workload = options.Pod is null ? options.Workload : First(labels, Names) ?? options.Workload,
            Version = options.Version != "latest" ? options.Version : First(labels, Revisions) ?? options.Version,
        };
    }

    /// <summary>The pairs of one file; lines that are wrong are left out.</summary>
    internal static ImmutableSortedDictionary<string, string> Read(string file, Action<string> warn)
    {
        ImmutableSortedDictionary<string, string>.Builder pairs = ImmutableSortedDictionary.CreateBuilder<string, string>(StringComparer.Ordinal);
        string[] lines = Lines(file, warn);
        for (int i = 0; i < lines.Length; i++)
        {
            int equals = lines[i].IndexOf('=', StringComparison.Ordinal);
            if (equals > 0 && QuotedText.TryRead(lines[i].AsSpan(equals + 1), out string? value))
            {
                pairs[lines[i][..equals]] = value;
            }
            else if (lines[i].Length > 0)
            {
                warn($"--pod-info: {file}:{i + 1}: not of the form key=\"value\"; the line is left out");
            }
        }

        return pairs.ToImmutable();
    }

    private static string[] Lines(string file, Action<string> warn)
    {
        try
        {
            return File.ReadAllLines(file);
        }
        catch (Exception refusal) when (refusal is IOException or UnauthorizedAccessException)
        {
            warn($"--pod-info: {refusal.Message.TrimEnd('.')}; the sidecar goes on without labels of the pod");
            return [];
        }
    }

    private static string? First(ImmutableSortedDictionary<string, string> labels, string[] keys) =>
        keys.Select(labels.GetValueOrDefault).FirstOrDefault(static v => !string.IsNullOrEmpty(v));
}
