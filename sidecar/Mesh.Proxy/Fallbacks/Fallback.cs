using System.Collections.Immutable;
using System.Text;
using Mesh.Proxy.Retry;
using Mesh.Rules.Snapshots;

namespace Mesh.Proxy.Fallbacks;

/// <summary>The Fallback of one cluster: its rule, the fixed answers ready to be written, and the good answers that are kept. Thread-safe.</summary>
internal sealed class Fallback
{
    private static readonly byte[] AcceptEncoding = "accept-encoding"u8.ToArray();
    private readonly StandIn? _static;
    private readonly string[] _languages = [];
    private readonly StandIn[] _byLanguage = [];

    /// <param name="config">The rule.</param>
    /// <param name="frequency">Ticks of a timestamp in a second.</param>
    /// <param name="previous">The one before, whose answers stay when their bounds do; null for none.</param>
    public Fallback(FallbackConfig config, long frequency, Fallback? previous)
    {
        Config = config;
        if (config.LastGood is { } bounds)
        {
            bool isSame = bounds == previous?.Config.LastGood;
            LastGood = isSame ? previous!.LastGood! : new LastGoodCache(bounds, frequency);
            CopyMemory = isSame ? previous!.CopyMemory! : new RetryMemory((int)Math.Min(LastGood.MaxAnswerBytes, int.MaxValue / 4), bounds.MaxBytes);
            Vary = [AcceptEncoding, .. bounds.Vary.Where(static v => v != "accept-encoding").Select(Encoding.ASCII.GetBytes)];
        }

        if (config.Static is { } answer)
        {
            _languages = [.. answer.Bodies.Select(static b => b.Key)];
            _byLanguage = [.. answer.Bodies.Select(b => Write(answer, b.Value, b.Key))];
            _static = Write(answer, answer.Body, null);
        }
    }

    /// <summary>The rule.</summary>
    public FallbackConfig Config { get; }

    /// <summary>Good answers; null when none are kept.</summary>
    public LastGoodCache? LastGood { get; }

    /// <summary>Bounds the copies of answers that pass now; null when none are kept.</summary>
    public RetryMemory? CopyMemory { get; }

    /// <summary>Names of the request fields that tell answers apart, in lower case.</summary>
    public ImmutableArray<byte[]> Vary { get; } = [];

    /// <summary>Whether the fixed answer depends on the language.</summary>
    public bool HasLanguages => _languages.Length > 0;

    /// <summary>The fixed answer for a caller with this accept-language; null when there is none.</summary>
    public StandIn? StaticFor(string acceptLanguage) =>
        LanguageLookup.Find(acceptLanguage, _languages) is >= 0 and int at ? _byLanguage[at] : _static;

    private static StandIn Write(StaticAnswerConfig answer, string body, string? language)
    {
        StringBuilder lines = new();
        lines.Append(body.Length > 0 ? $"content-type: {answer.ContentType}\r\n" : "");
        lines.Append(language is null ? "" : $"content-language: {language}\r\n");
        lines.Append(answer.Bodies.IsEmpty ? "" : "vary: accept-language\r\n");
        foreach ((string name, string value) in answer.Headers)
        {
            lines.Append($"{name}: {value}\r\n");
        }

        return new StandIn(answer.Status, Encoding.UTF8.GetBytes(lines.ToString()), Encoding.UTF8.GetBytes(body));
    }
}
