using System.Collections.Immutable;
using System.Globalization;

namespace Mesh.Rules.Snapshots;

/// <summary>What a part of a transaction id is.</summary>
public enum TransactionIdPartKind
{
    /// <summary>The text itself.</summary>
    Text,

    /// <summary>Id of the sidecar, or its last characters.</summary>
    Instance,

    /// <summary>UTC time.</summary>
    Time,

    /// <summary>Number of the id among those of the sidecar.</summary>
    Sequence,
}

/// <summary>One part of a transaction id.</summary>
/// <param name="Kind">What it is.</param>
/// <param name="Text">The text, or the pattern of the time.</param>
/// <param name="Length">Characters of an instance or digits of a sequence; 0 is as many as it has.</param>
public readonly record struct TransactionIdPart(TransactionIdPartKind Kind, string Text = "", int Length = 0);

/// <summary>
/// The form of a transaction id: text with <c>{instance}</c>, <c>{instance:N}</c>, <c>{time:PATTERN}</c>, <c>{sequence}</c> and <c>{sequence:N}</c> in it. Stateless.
/// </summary>
public static class TransactionIdFormat
{
    /// <summary>The form when nobody says otherwise.</summary>
    public const string Default = "{instance}-{time:yyyyMMddHHmmssfff}-{sequence:9}";

    /// <summary>Longest form, in characters.</summary>
    public const int MaxLength = 128;

    /// <summary>Most characters of an instance.</summary>
    public const int MaxInstance = 64;

    /// <summary>Most digits of a sequence.</summary>
    public const int MaxDigits = 18;

    private const string Names = "{instance}, {instance:N}, {time:PATTERN}, {sequence} or {sequence:N}";
    private static readonly string[] TimeWords = ["yyyy", "yy", "MM", "dd", "HH", "mm", "ss", "fff", "ffffff"];

    /// <summary>Takes a form apart.</summary>
    /// <param name="format">The form.</param>
    /// <param name="parts">Its parts; empty when it is wrong.</param>
    /// <returns>Null, or what is wrong and what to write instead.</returns>
    public static string? Read(string format, out ImmutableArray<TransactionIdPart> parts)
    {
        ImmutableArray<TransactionIdPart>.Builder read = ImmutableArray.CreateBuilder<TransactionIdPart>();
        string? problem = format.Length is 0 or > MaxLength ? $"must have 1 to {MaxLength} characters, has {format.Length}" : null;
        ReadOnlySpan<char> rest = format;
        while (problem is null && !rest.IsEmpty)
        {
            int open = rest.IndexOf('{');
            ReadOnlySpan<char> text = open < 0 ? rest : rest[..open];
            if (text.ContainsAnyExceptInRange('!', '~') || text.Contains('}'))
            {
                problem = $"\"{text}\" cannot stand in an id: write visible ASCII characters without blanks, and {Names}";
                break;
            }

            if (!text.IsEmpty)
            {
                read.Add(new TransactionIdPart(TransactionIdPartKind.Text, text.ToString()));
            }

            rest = rest[text.Length..];
            if (!rest.IsEmpty)
            {
                problem = ReadPart(ref rest, read);
            }
        }

        parts = problem is null ? read.ToImmutable() : [];
        return problem;
    }

    private static string? ReadPart(ref ReadOnlySpan<char> rest, ImmutableArray<TransactionIdPart>.Builder parts)
    {
        int close = rest.IndexOf('}');
        if (close < 0)
        {
            return $"\"{rest}\" has no closing brace; write {Names}";
        }

        ReadOnlySpan<char> inner = rest[1..close];
        rest = rest[(close + 1)..];
        int colon = inner.IndexOf(':');
        ReadOnlySpan<char> name = colon < 0 ? inner : inner[..colon];
        ReadOnlySpan<char> argument = colon < 0 ? default : inner[(colon + 1)..];
        switch (name)
        {
            case "time":
                parts.Add(new TransactionIdPart(TransactionIdPartKind.Time, argument.ToString()));
                return IsTime(argument) ? null
                    : $"\"{{{inner}}}\" is no time: write {{time:…}} with yyyy, yy, MM, dd, HH, mm, ss, fff or ffffff and the marks - : . _ T Z between them, such as {{time:yyyyMMddHHmmss}}";
            case "instance":
                return Add(TransactionIdPartKind.Instance, MaxInstance, argument, parts);
            case "sequence":
                return Add(TransactionIdPartKind.Sequence, MaxDigits, argument, parts);
            default:
                return $"\"{{{inner}}}\" is no part of an id; write {Names}";
        }

        string? Add(TransactionIdPartKind kind, int most, ReadOnlySpan<char> length, ImmutableArray<TransactionIdPart>.Builder to)
        {
            int number = 0;
            bool isGood = colon < 0 || (int.TryParse(length, NumberStyles.None, CultureInfo.InvariantCulture, out number) && number >= 1 && number <= most);
            to.Add(new TransactionIdPart(kind, "", number));
            string word = kind == TransactionIdPartKind.Instance ? "instance" : "sequence";
            return isGood ? null : $"\"{{{word}:{length}}}\" must have a length of 1 to {most}, such as {{{word}:{(kind == TransactionIdPartKind.Instance ? 5 : 9)}}}";
        }
    }

    private static bool IsTime(ReadOnlySpan<char> pattern)
    {
        bool hasWord = false;
        while (!pattern.IsEmpty)
        {
            int length = pattern.IndexOfAnyExcept(pattern[0]);
            length = length < 0 ? pattern.Length : length;
            bool isMark = "-:._TZ".Contains(pattern[0], StringComparison.Ordinal);
            if (!isMark && !TimeWords.Contains(pattern[..length].ToString()))
            {
                return false;
            }

            hasWord |= !isMark;
            pattern = pattern[length..];
        }

        return hasWord;
    }
}
