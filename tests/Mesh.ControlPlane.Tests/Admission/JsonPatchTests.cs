using System.Text.Json.Nodes;
using Mesh.ControlPlane.Api;
using Mesh.Injection;
using Xunit;

namespace Mesh.ControlPlane.Tests.Admission;

public sealed class JsonPatchTests
{
    [Fact]
    public void Between_AnyTwoObjects_LeadsFromOneToTheOther()
    {
        Random random = new(6902);
        for (int i = 0; i < 2000; i++)
        {
            JsonObject before = Map(random, 3);
            JsonObject after = random.Next(2) == 0 ? Map(random, 3) : Changed(before, random);

            JsonArray patch = JsonPatch.Between(before, after);

            JsonObject patched = MergePatch.Json((JsonObject)before.DeepClone(), patch);
            Assert.True(JsonNode.DeepEquals(after, patched), $"{i}: {before.ToJsonString()} to {after.ToJsonString()} by {patch.ToJsonString()}");
        }
    }

    [Theory]
    [InlineData("""{"l":[1,2]}""", """{"l":[0,1,2]}""", """[{"op":"add","path":"/l/0","value":0}]""")]
    [InlineData("""{"l":[1,2]}""", """{"l":[1,2,3]}""", """[{"op":"add","path":"/l/2","value":3}]""")]
    [InlineData("""{"l":[{"a":1}]}""", """{"l":[{"a":2}]}""", """[{"op":"replace","path":"/l/0/a","value":2}]""")]
    [InlineData("""{"a/b":1,"c~d":2}""", """{"c~d":3}""", """[{"op":"remove","path":"/a~1b"},{"op":"replace","path":"/c~0d","value":3}]""")]
    [InlineData("""{"a":null}""", """{"a":null}""", "[]")]
    public void Between_SmallChange_IsASmallPatch(string before, string after, string patch) =>
        Assert.Equal(patch, JsonPatch.Between((JsonObject)JsonNode.Parse(before)!, (JsonObject)JsonNode.Parse(after)!).ToJsonString());

    private static JsonObject Changed(JsonObject before, Random random)
    {
        JsonObject after = (JsonObject)before.DeepClone();
        foreach (JsonArray list in after.Select(static f => f.Value).OfType<JsonArray>())
        {
            list.Insert(random.Next(list.Count + 1), Value(random, 1));
        }

        return after;
    }

    private static JsonObject Map(Random random, int depth)
    {
        JsonObject map = [];
        for (int i = random.Next(5); i > 0; i--)
        {
            map["abc/~"[random.Next(5)].ToString()] = Value(random, depth - 1);
        }

        return map;
    }

    private static JsonNode? Value(Random random, int depth) => random.Next(depth > 0 ? 6 : 4) switch
    {
        0 => null,
        1 => random.Next(3),
        2 => random.Next(2) == 0,
        3 => "text",
        4 => Map(random, depth),
        _ => new JsonArray([.. Enumerable.Range(0, random.Next(4)).Select(_ => Value(random, depth - 1))]),
    };
}
