using System.Collections.Immutable;
using System.Text.Json.Nodes;
using Mesh.Rules.Validation;

namespace Mesh.Rules.Schema;

/// <summary>
/// The field table of one record, a row for each field: wire name, how to read it, its limits and one line of documentation. Binding, unknown
/// fields, type and range errors, the "not enforced yet" warnings and the CRD's schema all come from the rows. Complete after its static
/// initialiser, read-only from then on, so it may be used by any number of threads.
/// </summary>
internal sealed class ObjectSchema<T> : FieldType<T>
    where T : class, new()
{
    private readonly List<Row> _rows = [];

    private sealed record Row(string Name, Func<T, RuleNode, Cursor, T> Apply, Func<JsonObject> OpenApi, Func<IEnumerable<FieldEntry>> Inner, string Doc)
    {
        /// <summary>Message when the field is missing; null for an optional field.</summary>
        public string? Required { get; init; }

        /// <summary>What has no effect yet; null for a field that works.</summary>
        public string? NotEnforced { get; init; }

        /// <summary>Values of a field that is not enforced for which nothing would have to happen anyway.</summary>
        public string[] Harmless { get; init; } = [];

        /// <summary>What replaces the field; null unless deprecated.</summary>
        public string? Deprecated { get; init; }
    }

    /// <summary>Wire names of all fields, in the table's order.</summary>
    public IEnumerable<string> FieldNames => _rows.Select(static row => row.Name);

    public ObjectSchema<T> Field<TValue>(string name, FieldType<TValue> type, Func<T, TValue, T> set, string doc)
    {
        _rows.Add(new Row(
            name,
            (target, node, at) => type.TryRead(node, at, out TValue value) ? set(target, value) : target,
            type.OpenApi,
            () => type.Fields,
            doc));
        return this;
    }

    public ObjectSchema<T> Whole(
        string name, Func<T, int, T> set, string doc, int min = int.MinValue, int max = int.MaxValue, string? outOfRange = null) =>
        Field(name, new WholeType(min, max, "int32", outOfRange), (target, value) => set(target, (int)value), doc);

    /// <summary>A limit or count; <paramref name="what"/> is Istio's name for it in the message about a negative one.</summary>
    public ObjectSchema<T> NonNegative(string name, Func<T, int, T> set, string doc, string what) =>
        Whole(name, set, doc, min: 0, outOfRange: $"{what} must be non-negative");

    public ObjectSchema<T> Percent(string name, Func<T, int, T> set, string doc) =>
        Whole(name, set, doc, min: 0, max: 100, outOfRange: "percentage is out of 0..100 range");

    public ObjectSchema<T> Port(string name, Func<T, int, T> set, string doc) =>
        Whole(name, set, doc, min: 1, max: 65535, outOfRange: "port number must be in the range 1..65535");

    public ObjectSchema<T> Long(string name, Func<T, long, T> set, string doc, long min = long.MinValue, long max = long.MaxValue) =>
        Field(name, new WholeType(min, max, "int64"), set, doc);

    public ObjectSchema<T> Number(string name, Func<T, double, T> set, string doc, double min, double max, string? outOfRange = null) =>
        Field(name, new NumberType(min, max, outOfRange), set, doc);

    public ObjectSchema<T> Text(string name, Func<T, string, T> set, string doc) => Field(name, TextType.Any, set, doc);

    public ObjectSchema<T> Enum(string name, Func<T, string, T> set, string doc, params string[] words) =>
        Field(name, new EnumType(words), set, doc);

    public ObjectSchema<T> Flag(string name, Func<T, bool, T> set, string doc) => Field(name, FlagType.Any, set, doc);

    public ObjectSchema<T> Duration(string name, Func<T, TimeSpan, T> set, string doc, bool allowZero = false) =>
        Field(name, new DurationType(allowZero), set, doc);

    public ObjectSchema<T> List<TItem>(string name, FieldType<TItem> item, Func<T, ImmutableArray<TItem>, T> set, string doc) =>
        Field(name, new ListType<TItem>(item), set, doc);

    public ObjectSchema<T> TextMap(string name, Func<T, ImmutableSortedDictionary<string, string>, T> set, string doc) =>
        Field(name, new MapType<string>(TextType.Any), set, doc);

    public ObjectSchema<T> WholeMap(string name, FieldType<long> item, Func<T, ImmutableSortedDictionary<string, int>, T> set, string doc) =>
        Field(
            name,
            new MapType<long>(item),
            (target, map) => set(target, map.ToImmutableSortedDictionary(static p => p.Key, static p => (int)p.Value, StringComparer.Ordinal)),
            doc);

    /// <summary>The row just added is required; <paramref name="message"/> is what its absence says.</summary>
    public ObjectSchema<T> Required(string message) => ChangeLast(row => row with { Required = message });

    /// <summary>The row just added is accepted without effect, except for the values in <paramref name="harmless"/>, which ask for none.</summary>
    public ObjectSchema<T> NotEnforcedYet(string what, params string[] harmless) =>
        ChangeLast(row => row with { NotEnforced = what, Harmless = harmless });

    /// <summary>The row just added is deprecated; <paramref name="message"/> names what replaces it.</summary>
    public ObjectSchema<T> Deprecated(string message) => ChangeLast(row => row with { Deprecated = message });

    public override bool TryRead(RuleNode node, Cursor at, out T value)
    {
        value = new T();
        if (node.Kind != RuleNodeKind.Map)
        {
            at.TypeError($"must be an object, was {node.Describe()}; its fields are {string.Join(", ", FieldNames)}");
            return false;
        }

        foreach (RuleField field in node.Fields)
        {
            Cursor here = at.Field(field.Name);
            if (_rows.Find(row => row.Name == field.Name) is not { } row)
            {
                here.UnknownField(Shorten(field.Name), FieldNames);
            }
            else if (field.Value.Kind != RuleNodeKind.Null)
            {
                value = row.Apply(value, field.Value, here);
                Remark(row, field.Value, here);
            }
        }

        foreach (Row row in _rows)
        {
            if (row.Required is { } message && node.Find(row.Name) is null or { Value.Kind: RuleNodeKind.Null })
            {
                at.Field(row.Name).Error(message, DiagnosticCode.Required);
            }
        }

        return true;
    }

    public override JsonObject OpenApi()
    {
        JsonObject properties = [];
        JsonArray required = [];
        foreach (Row row in _rows)
        {
            JsonObject schema = row.OpenApi();
            schema.Insert(0, "description", row.Deprecated is null ? row.Doc : $"Deprecated. {row.Doc}");
            properties[row.Name] = schema;
            if (row.Required is not null)
            {
                required.Add((JsonNode)row.Name);
            }
        }

        JsonObject result = new() { ["type"] = "object", ["properties"] = properties };
        if (required.Count > 0)
        {
            result["required"] = required;
        }

        return result;
    }

    public override IEnumerable<FieldEntry> Fields
    {
        get
        {
            foreach (Row row in _rows)
            {
                FieldEntry[] inner = [.. row.Inner()];
                yield return new FieldEntry(row.Name, row.NotEnforced, row.Harmless.Length > 0, inner.Length > 0);
                foreach (FieldEntry entry in inner)
                {
                    yield return row.NotEnforced is null
                        ? entry with { Path = $"{row.Name}.{entry.Path}" }
                        : entry with { Path = $"{row.Name}.{entry.Path}", NotEnforced = row.NotEnforced, IsPartly = false };
                }
            }
        }
    }

    private static string Shorten(string name) => name.Length <= 80 ? name : name[..77] + "...";

    private static void Remark(Row row, RuleNode node, Cursor at)
    {
        if (row.Deprecated is { } replacement)
        {
            at.Warn(replacement, DiagnosticCode.Deprecated);
        }

        if (row.NotEnforced is { } what && !row.Harmless.Contains(node.Text, StringComparer.Ordinal))
        {
            at.NotEnforced(what);
        }
    }

    private ObjectSchema<T> ChangeLast(Func<Row, Row> change)
    {
        _rows[^1] = change(_rows[^1]);
        return this;
    }
}
