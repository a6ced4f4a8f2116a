namespace Mesh.Sidecar.Control;

/// <summary>The token that the control plane is shown, from a file that kubelet replaces while it runs. Thread-safe.</summary>
/// <param name="file">The file.</param>
internal sealed class ControlPlaneToken(string file)
{
    /// <summary>What the file holds now. Read for each call: that is one small file a second, and never stale.</summary>
    /// <exception cref="HttpRequestException">Nothing that could be sent; the message names the file, never what is in it.</exception>
    public string Read()
    {
        string token;
        try
        {
            token = File.ReadAllText(file).Trim();
        }
        catch (Exception refusal) when (refusal is IOException or UnauthorizedAccessException)
        {
            throw new HttpRequestException($"--control-plane-token: {refusal.Message.TrimEnd('.')}", refusal);
        }

        return token.Length > 0 && token.All(static c => c is > ' ' and < '\x7f')
            ? token : throw new HttpRequestException($"--control-plane-token: {file} holds no token");
    }
}
