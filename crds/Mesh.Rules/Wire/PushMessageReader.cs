using System.Collections.Immutable;
using Mesh.Rules.Reading;
using Mesh.Rules.Schema;
using Mesh.Rules.Validation;

namespace Mesh.Rules.Wire;

/// <summary>What reading a push gave: the push, or why it cannot be read. Exactly one is set.</summary>
/// <param name="Message">The push.</param>
/// <param name="Error">What is wrong, with its line; made for a log line or a NACK.</param>
public readonly record struct PushReadResult(PushMessage? Message, string? Error);

/// <summary>
/// Reads what <see cref="PushMessageWriter"/> wrote. Strict about the header: an unknown field may carry a meaning that must not be lost.
/// The rules are cut apart and named, not judged: a rule that cannot be bound is refused alone, by whoever binds it. Never throws. Stateless.
/// </summary>
public static class PushMessageReader
{
    /// <summary>Reads a push.</summary>
    /// <param name="text">The text; lines end in <c>\n</c> or <c>\r\n</c>.</param>
    public static PushReadResult Read(string text)
    {
        List<(string Text, int Line)> documents = Split(text);
        List<Diagnostic> problems = [];
        PushHeader? header = ReadHeader(documents[0].Text, problems);
        if (header is null || problems.Count > 0)
        {
            return Fail(problems.Count > 0 ? Place(problems[0]) : "it is empty");
        }

        ImmutableArray<PushedRule>.Builder rules = ImmutableArray.CreateBuilder<PushedRule>(documents.Count - 1);
        foreach ((string document, int line) in documents.Skip(1))
        {
            if (RuleIdentity.Read(document, out PushedRule? rule) is { } problem)
            {
                return Fail($"rule at line {line}: {problem}");
            }

            rules.Add(rule!);
        }

        return new PushReadResult(
            new PushMessage
            {
                Version = header.Version,
                IsFull = header.IsFull,
                Rules = rules.MoveToImmutable(),
                RemovedRules = [.. header.RemovedRules.Select(static r => r.Key)],
                Services = [.. header.Services.Select(static s => s.Service)],
                RemovedServices = header.RemovedServices,
                Endpoints = header.Endpoints.ToImmutableSortedDictionary(
                    static e => e.Key, static e => e.Value.Select(static h => h.Endpoint).ToImmutableArray(), StringComparer.Ordinal),
            },
            null);
    }

    private static PushHeader? ReadHeader(string text, List<Diagnostic> problems)
    {
        foreach (YamlTree.Document document in YamlTree.ReadAll(text))
        {
            problems.AddRange(document.Problems);
            if (document.Root is { } root)
            {
                return PushHeader.Schema.TryRead(root, new Cursor("", root, problems), out PushHeader header) ? header : null;
            }
        }

        return null;
    }

    /// <summary>
    /// Cuts at the lines that begin with <c>---</c>. YAML forbids such a line inside any scalar, so no document needs to be parsed for it.
    /// </summary>
    private static List<(string Text, int Line)> Split(string text)
    {
        List<(string, int)> documents = [];
        int start = 0;
        int startLine = 1;
        int line = 0;
        for (int at = 0; at < text.Length;)
        {
            line++;
            int end = text.IndexOf('\n', at);
            int next = end < 0 ? text.Length : end + 1;
            if (IsMarker(text.AsSpan(at, next - at)))
            {
                if (line > 1)
                {
                    documents.Add((text[start..at], startLine));
                }

                start = next;
                startLine = line + 1;
            }

            at = next;
        }

        documents.Add((text[start..], startLine));
        return documents;
    }

    private static bool IsMarker(ReadOnlySpan<char> line) => line.StartsWith("---") && line[3..].IsWhiteSpace();

    private static string Place(Diagnostic problem) =>
        $"{(problem.Line > 0 ? $"line {problem.Line}: " : "")}{(problem.Path.Length > 0 ? problem.Path + ": " : "")}{problem.Message}";

    private static PushReadResult Fail(string problem) => new(null, $"the push cannot be read: {problem}");
}
