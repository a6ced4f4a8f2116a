using System.Security.Cryptography;
using System.Text;

namespace Mesh.ControlPlane.Hosting;

/// <summary>
/// The token that requests must bear, from a file. The file is looked at before each check and read again when it changed, so a token can be
/// replaced without a restart; while it cannot be read, the last token holds. Thread-safe.
/// </summary>
internal sealed class TokenFile
{
    private const int ShortestToken = 16;
    private readonly string _path;
    private volatile Token _token;

    private TokenFile(string path, Token token)
    {
        _path = path;
        _token = token;
    }

    /// <summary>Opens the file; or says what is wrong with it.</summary>
    public static (TokenFile? File, string? Problem) Open(string path)
    {
        try
        {
            Token token = Read(path);
            return token.Length < ShortestToken
                ? (null, $"--token-file: '{path}' holds {token.Length} characters; write a random token of at least {ShortestToken}")
                : (new TokenFile(path, token), null);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return (null, $"--token-file: '{path}' cannot be read: {error.Message}");
        }
    }

    /// <summary>Whether an Authorization header bears the token. Takes equally long for every wrong one.</summary>
    public bool IsBorneBy(string? authorization)
    {
        const string Scheme = "Bearer ";
        Refresh();
        string given = authorization is not null && authorization.StartsWith(Scheme, StringComparison.OrdinalIgnoreCase)
            ? authorization[Scheme.Length..].Trim()
            : "";
        return CryptographicOperations.FixedTimeEquals(HashOf(given), _token.Hash);
    }

    private static Token Read(string path)
    {
        DateTime changed = File.GetLastWriteTimeUtc(path);
        string text = File.ReadAllText(path).Trim();
        return new Token(HashOf(text), text.Length, changed);
    }

    private static byte[] HashOf(string text) => SHA256.HashData(Encoding.UTF8.GetBytes(text));

    private void Refresh()
    {
        try
        {
            if (File.GetLastWriteTimeUtc(_path) != _token.Changed && Read(_path) is { Length: >= ShortestToken } token)
            {
                _token = token;
            }
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            // Being replaced at this instant, or gone: the last token holds.
        }
    }

    private sealed record Token(byte[] Hash, int Length, DateTime Changed);
}
