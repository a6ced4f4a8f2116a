using Mesh.Rules.Reading;
using YamlDotNet.Core;
using YamlDotNet.Core.Events;

namespace Mesh.Rules.Wire;

/// <summary>Finds out which rule a document is, reading no further than its metadata. Stateless.</summary>
internal static class RuleIdentity
{
    /// <summary>Names the rule; returns what is wrong, or null.</summary>
    public static string? Read(string yaml, out PushedRule? rule)
    {
        rule = null;
        Dictionary<string, string> found = new(StringComparer.Ordinal);
        try
        {
            ReadTop(new Parser(new StringReader(yaml)), found);
        }
        catch (YamlException e)
        {
            return $"not readable as YAML at its line {e.Start.Line}: {e.Message.TrimEnd('.')}";
        }
        catch (Exception e) when (e is InvalidOperationException or ArgumentException)
        {
            return "not readable as YAML: a value is broken off"; // the parser's slips on some malformed texts
        }

        foreach (string name in (string[])["kind", "metadata.namespace", "metadata.name", "metadata.resourceVersion"])
        {
            if (found.GetValueOrDefault(name, "").Length == 0)
            {
                return $"{name} is missing";
            }
        }

        RuleKey key = new(found["kind"], found["metadata.namespace"], found["metadata.name"]);
        string text = yaml.Replace("\r\n", "\n", StringComparison.Ordinal);
        rule = new PushedRule(key, found["metadata.resourceVersion"], text.EndsWith('\n') ? text : text + "\n");
        return null;
    }

    private static void ReadTop(Parser parser, Dictionary<string, string> found)
    {
        parser.Consume<StreamStart>();
        if (Take<DocumentStart>(parser) is null || Take<MappingStart>(parser) is null)
        {
            return;
        }

        while (!(found.ContainsKey("kind") && found.ContainsKey("metadata")) && Take<Scalar>(parser) is { } key)
        {
            if (key.Value == "metadata" && Take<MappingStart>(parser) is not null)
            {
                found["metadata"] = "";
                ReadMetadata(parser, found);
            }
            else
            {
                ReadValue(parser, key.Value, found);
            }
        }
    }

    private static void ReadMetadata(Parser parser, Dictionary<string, string> found)
    {
        while (Take<Scalar>(parser) is { } key)
        {
            ReadValue(parser, $"metadata.{key.Value}", found);
        }

        parser.Consume<MappingEnd>();
    }

    private static void ReadValue(Parser parser, string name, Dictionary<string, string> found)
    {
        if (Take<Scalar>(parser) is { } scalar)
        {
            found.TryAdd(name, scalar.Value);
        }
        else
        {
            parser.SkipThisAndNestedEvents();
        }
    }

    /// <summary>The next event if it is of that type, or null and nothing taken.</summary>
    private static T? Take<T>(Parser parser)
        where T : ParsingEvent => parser.Accept<T>(out _) ? parser.Consume<T>() : null;
}
