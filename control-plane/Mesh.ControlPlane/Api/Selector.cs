using System.Globalization;
using System.Text.Json.Nodes;
using Mesh.ControlPlane.Store;

namespace Mesh.ControlPlane.Api;

/// <summary>Which objects of a kind a list or watch is about: namespace, labels, fields. Immutable.</summary>
internal sealed class Selector
{
    private readonly ApiRequest _request;
    private readonly List<Func<JsonObject, bool>> _labels = [];
    private readonly List<Func<StoredRule, bool>> _fields = [];

    /// <summary>Reads the parameters; what is not understood is a 400.</summary>
    public Selector(ApiRequest request)
    {
        _request = request;
        foreach (string term in Terms(request.Query("labelSelector")))
        {
            _labels.Add(Label(term));
        }

        foreach (string term in Terms(request.Query("fieldSelector")))
        {
            _fields.Add(Field(term));
        }
    }

    /// <summary>True when something narrows the kind and namespace.</summary>
    public bool IsNarrow => _labels.Count > 0 || _fields.Count > 0;

    /// <summary>Whether <paramref name="rule"/> is meant.</summary>
    public bool Matches(StoredRule? rule) => rule is not null &&
        rule.Key.Kind == _request.Kind.Kind &&
        (_request.Namespace is null || rule.Key.Namespace == _request.Namespace) &&
        _labels.TrueForAll(l => l(rule.Object["metadata"]?["labels"] as JsonObject ?? [])) &&
        _fields.TrueForAll(f => f(rule));

    // Commas inside parentheses belong to one term: a in (x,y).
    private static IEnumerable<string> Terms(string? text)
    {
        int depth = 0;
        int start = 0;
        text ??= "";
        for (int i = 0; i <= text.Length; i++)
        {
            if (i == text.Length || (text[i] == ',' && depth == 0))
            {
                if (text[start..i].Trim() is { Length: > 0 } term)
                {
                    yield return term;
                }

                start = i + 1;
            }
            else
            {
                depth += text[i] == '(' ? 1 : text[i] == ')' ? -1 : 0;
            }
        }
    }

    private static Func<JsonObject, bool> Label(string term)
    {
        int open = term.IndexOf('(');
        if (open > 0 && term.EndsWith(')'))
        {
            string[] words = term[..open].Split(' ', StringSplitOptions.RemoveEmptyEntries);
            string[] values = [.. term[(open + 1)..^1].Split(',').Select(static v => v.Trim())];
            return words switch
            {
                [var key, "in"] => l => l[key] is { } v && values.Contains((string?)v),
                [var key, "notin"] => l => l[key] is not { } v || !values.Contains((string?)v),
                _ => throw Unknown(term),
            };
        }

        int notEqual = term.IndexOf("!=", StringComparison.Ordinal);
        if (notEqual > 0)
        {
            (string key, string value) = (term[..notEqual].Trim(), term[(notEqual + 2)..].Trim());
            return l => (string?)l[key] != value;
        }

        int equal = term.IndexOf('=');
        if (equal > 0)
        {
            (string key, string value) = (term[..equal].Trim(), term[(equal + 1)..].TrimStart('=').Trim());
            return l => (string?)l[key] == value;
        }

        return term.StartsWith('!') ? l => !l.ContainsKey(term[1..].Trim()) : l => l.ContainsKey(term);
    }

    private static Func<StoredRule, bool> Field(string term)
    {
        bool isNot = term.Contains("!=", StringComparison.Ordinal);
        string[] parts = term.Split(isNot ? "!=" : "=", 2);
        string value = parts.Length == 2 ? parts[1].TrimStart('=') : "";
        return parts[0] switch
        {
            "metadata.name" => r => r.Key.Name == value != isNot,
            "metadata.namespace" => r => r.Key.Namespace == value != isNot,
            _ => throw ApiError.BadRequest(string.Create(CultureInfo.InvariantCulture, $"field label not supported: {parts[0]}")),
        };
    }

    private static ApiError Unknown(string term) => ApiError.BadRequest($"unable to parse requirement: '{term}'; write key=value, key!=value, key in (a,b), key notin (a,b), key or !key");
}
