using System.Collections;
using System.Reflection;
using Mesh.Rules.Kinds;
using Xunit;

namespace Mesh.Rules.Tests.Kinds;

public sealed class FieldTableTests
{
    public static TheoryData<Type> Records =>
    [
        .. typeof(DestinationRule).Assembly.GetTypes()
            .Where(type => type.Namespace == typeof(DestinationRule).Namespace && Table(type) is not null),
    ];

    [Theory]
    [MemberData(nameof(Records))]
    public void Table_ComparedWithRecord_HasARowForEachProperty(Type record)
    {
        object table = Table(record)!.GetValue(null)!;
        IEnumerable names = (IEnumerable)table.GetType().GetProperty("FieldNames")!.GetValue(table)!;

        Assert.Equal(
            record.GetProperties(BindingFlags.Public | BindingFlags.Instance).Select(p => char.ToLowerInvariant(p.Name[0]) + p.Name[1..]).Order(),
            names.Cast<string>().Order());
    }

    private static PropertyInfo? Table(Type type) => type.GetProperty("Schema", BindingFlags.Static | BindingFlags.NonPublic);
}
