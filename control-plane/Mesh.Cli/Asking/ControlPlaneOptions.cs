namespace Mesh.Cli.Asking;

/// <summary>Where the control plane is, what it is shown, and whom to take for it: the options of a sidecar's <c>run</c>.</summary>
/// <param name="Root">Its address.</param>
/// <param name="TokenFile">File with the token, or null.</param>
/// <param name="CaFile">PEM file of the only roots to trust for it, or null for the system's.</param>
/// <param name="Name">Name that its certificate must have where that is not the address's, as behind a port-forward; null for the address's.</param>
internal sealed record ControlPlaneOptions(Uri Root, string? TokenFile, string? CaFile, string? Name)
{
    /// <summary>Where it is when nobody says so.</summary>
    public const string DefaultRoot = "http://127.0.0.1:15010";

    /// <summary>The options.</summary>
    public static OptionName[] Names { get; } = [new("--control-plane"), new("--control-plane-token"), new("--control-plane-ca"), new("--control-plane-name")];

    /// <summary>Reads them; null with what is wrong.</summary>
    public static (ControlPlaneOptions? Options, string? Problem) Of(Arguments line)
    {
        string text = line["--control-plane"] ?? DefaultRoot;
        if (!Uri.TryCreate(text, UriKind.Absolute, out Uri? root) || root.Scheme is not ("http" or "https"))
        {
            return (null, $"--control-plane: '{text}' is no address; write its URL, such as {DefaultRoot}");
        }

        string? name = line["--control-plane-name"];
        if (name is not null && (root.Scheme != "https" || Uri.CheckHostName(name) == UriHostNameType.Unknown))
        {
            return (null, root.Scheme != "https"
                ? $"--control-plane-name: {root} shows no certificate; write --control-plane https://{root.Authority}"
                : $"--control-plane-name: '{name}' is no name; write one of the certificate's, such as mesh-control-plane.mesh-system.svc");
        }

        return line["--control-plane-token"] is not null && root is { Scheme: "http", IsLoopback: false }
            ? (null, $"--control-plane-token: would be sent to {root.Authority} for all to read; write --control-plane https://{root.Authority}")
            : (new ControlPlaneOptions(root, line["--control-plane-token"], line["--control-plane-ca"], name), null);
    }
}
