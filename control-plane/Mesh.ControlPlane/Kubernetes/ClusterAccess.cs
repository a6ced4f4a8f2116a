using Mesh.ControlPlane.Hosting;

namespace Mesh.ControlPlane.Kubernetes;

/// <summary>
/// Finds the API server in the order that kubectl's users expect: the file that is named, else the pod's own service account, else $KUBECONFIG, else ~/.kube/config.
/// </summary>
internal static class ClusterAccess
{
    /// <summary>The server, or one line on what is wrong.</summary>
    /// <param name="options">Options with <c>--kubeconfig</c> and <c>--context</c>.</param>
    /// <param name="environment">Value of a variable, or null.</param>
    public static (ApiServer? Server, string? Problem) Find(ServeOptions options, Func<string, string?> environment)
    {
        if (options.KubeConfig is null && options.Context is null && InCluster.IsHere(environment))
        {
            return Named("--kubernetes", InCluster.Read(environment));
        }

        string? variable = environment("KUBECONFIG") is { Length: > 0 } files ? files : null;
        if (options.KubeConfig is null && variable?.Contains(Path.PathSeparator, StringComparison.Ordinal) == true)
        {
            return (null, $"KUBECONFIG: '{variable}' are several files; name one with --kubeconfig");
        }

        string file = options.KubeConfig ?? variable ?? Path.Combine(environment("HOME") ?? "", ".kube", "config");
        return Named(options.KubeConfig is null ? "--kubernetes" : "--kubeconfig", KubeConfig.Read(file, options.Context));
    }

    private static (ApiServer? Server, string? Problem) Named(string option, (ApiServer? Server, string? Problem) found) =>
        found.Problem is null ? found : (null, $"{option}: {found.Problem}");
}
