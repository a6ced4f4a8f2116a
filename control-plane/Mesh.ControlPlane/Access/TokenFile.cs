using System.Security.Cryptography;
using System.Text;

namespace Mesh.ControlPlane.Access;

/// <summary>
/// One token that opens every route, from a file. The file is read again at a check, at most once a second, so a token can be replaced
/// without a restart; its time says nothing, because a kubelet replaces a folder behind a link. While it cannot be read, the last token holds. Thread-safe.
/// </summary>
internal sealed class TokenFile : ICallerCheck
{
    private const int ShortestToken = 16;
    private static readonly TimeSpan Look = TimeSpan.FromSeconds(1);

    private readonly string _path;
    private readonly TimeProvider _time;
    private volatile Token _token;
    private long _looked;

    private TokenFile(string path, Token token, TimeProvider time)
    {
        (_path, _token, _time) = (path, token, time);
        _looked = time.GetTimestamp();
    }

    /// <summary>Opens the file; or says what is wrong with it.</summary>
    public static (TokenFile? File, string? Problem) Open(string path, TimeProvider time)
    {
        try
        {
            Token token = Read(path);
            return token.Length < ShortestToken
                ? (null, $"--token-file: '{path}' holds {token.Length} characters; write a random token of at least {ShortestToken}")
                : (new TokenFile(path, token, time), null);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return (null, $"--token-file: '{path}' cannot be read: {error.Message}");
        }
    }

    /// <inheritdoc/>
    public string Wanted => "the token of --token-file";

    /// <inheritdoc/>
    /// <remarks>Takes equally long for every wrong token.</remarks>
    public ValueTask<CallerAnswer> CheckAsync(string token, CancellationToken cancellationToken)
    {
        Refresh();
        return ValueTask.FromResult(CryptographicOperations.FixedTimeEquals(HashOf(token), _token.Hash)
            ? CallerAnswer.Of(Caller.Operator)
            : CallerAnswer.Unknown("the token is not that of --token-file"));
    }

    private static Token Read(string path)
    {
        string text = File.ReadAllText(path).Trim();
        return new Token(HashOf(text), text.Length);
    }

    private static byte[] HashOf(string text) => SHA256.HashData(Encoding.UTF8.GetBytes(text));

    private void Refresh()
    {
        long looked = Volatile.Read(ref _looked);
        if (_time.GetElapsedTime(looked) < Look || Interlocked.CompareExchange(ref _looked, _time.GetTimestamp(), looked) != looked)
        {
            return;
        }

        try
        {
            if (Read(_path) is { Length: >= ShortestToken } token)
            {
                _token = token;
            }
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            // Being replaced at this instant, or gone: the last token holds.
        }
    }

    private sealed record Token(byte[] Hash, int Length);
}
