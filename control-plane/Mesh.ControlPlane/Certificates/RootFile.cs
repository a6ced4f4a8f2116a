using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Microsoft.Extensions.Logging;

namespace Mesh.ControlPlane.Certificates;

/// <summary>
/// The roots of a certificate that was given, from a file. Read at each look, so roots can be replaced without a restart; the file's time says nothing, because a kubelet replaces a
/// folder behind a link. While it cannot be read or holds no certificate, the last good text holds, and a warning says so. Thread-safe.
/// </summary>
/// <param name="path">PEM file.</param>
/// <param name="log">Log.</param>
internal sealed partial class RootFile(string path, ILogger log)
{
    private readonly Lock _gate = new();
    private string? _text;
    private string _problem = "";

    /// <summary>What is wrong with the file; null when it holds certificates.</summary>
    public static string? Problem(string path) => Load(path).Problem;

    /// <summary>The text now; null as long as there was none.</summary>
    public string? Read()
    {
        lock (_gate)
        {
            (string? text, string? problem) = Load(path);
            _text = text ?? _text;
            if (problem is not null && problem != _problem)
            {
                LogBad(problem);
            }

            _problem = problem ?? "";
            return _text;
        }
    }

    private static (string? Text, string? Problem) Load(string path)
    {
        try
        {
            string text = File.ReadAllText(path);
            X509Certificate2Collection roots = [];
            roots.ImportFromPem(text);
            return roots.Count > 0 ? (text, null) : (null, $"--tls-ca: '{path}' holds no certificate; write the root of --tls-cert as PEM");
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException or CryptographicException)
        {
            return (null, $"--tls-ca: '{path}' cannot be used: {error.Message.ReplaceLineEndings(" ")}; write the root of --tls-cert as PEM");
        }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "{Problem}; namespaces keep what they have been told")]
    private partial void LogBad(string problem);
}
