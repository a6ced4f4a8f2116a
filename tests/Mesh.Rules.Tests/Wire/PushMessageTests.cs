using System.Collections.Immutable;
using Mesh.Rules.Reading;
using Mesh.Rules.Wire;
using Xunit;

namespace Mesh.Rules.Tests.Wire;

public sealed class PushMessageTests
{
    private const string Rule = """
        apiVersion: networking.istio.io/v1
        kind: DestinationRule
        metadata:
          name: products
          namespace: default
          resourceVersion: "17"
        spec:
          host: products

        """;

    internal static PushMessage Everything { get; } = new()
    {
        Version = "c5e0-3-9f86d081",
        IsFull = false,
        Rules =
        [
            new PushedRule(new RuleKey("DestinationRule", "default", "products"), "17", Rule),
            new PushedRule(
                new RuleKey("ServiceEntry", "shop", "bank"), "4",
                "kind: ServiceEntry\nmetadata: {namespace: shop, name: bank, resourceVersion: 4}\nspec:\n  hosts: [\"--- ü 💳\"]\n"),
        ],
        RemovedRules = [new RuleKey("DestinationRule", "default", "gone")],
        Services =
        [
            new MeshService("orders.default.svc.cluster.local", "default", [new MeshServicePort(8080, "HTTP"), new MeshServicePort(9000, "TCP")]),
            new MeshService("bare.default.svc.cluster.local", "default", []) { Addresses = ["10.0.0.7", "fd00::7"] },
        ],
        RemovedServices = ["old.default.svc.cluster.local"],
        Endpoints = ImmutableSortedDictionary.Create<string, ImmutableArray<MeshEndpoint>>(StringComparer.Ordinal)
            .Add("bare.default.svc.cluster.local", [])
            .Add("orders.default.svc.cluster.local",
            [
                new MeshEndpoint(
                    "[::1]:4711", 8080, ImmutableSortedDictionary<string, string>.Empty.Add("version", "1").Add("x", "yes\n\t\"#: "), "eu/a", "orders", "1"),
                new MeshEndpoint("127.0.0.1:4712", 9000, ImmutableSortedDictionary<string, string>.Empty, "", "", ""),
            ]),
    };

    [Fact]
    public void Read_WhatWasWritten_IsTheSamePush()
    {
        PushMessage read = Good(PushMessageWriter.Write(Everything));

        Assert.Equal((Everything.Version, Everything.IsFull), (read.Version, read.IsFull));
        Assert.Equal(Everything.Rules.AsEnumerable(), read.Rules);
        Assert.Equal(Everything.RemovedRules.AsEnumerable(), read.RemovedRules);
        Assert.Equal(Everything.RemovedServices.AsEnumerable(), read.RemovedServices);
        Assert.Equal(["orders.default.svc.cluster.local", "bare.default.svc.cluster.local"], read.Services.Select(s => s.Host));
        Assert.Equal(Everything.Services[0].Ports.AsEnumerable(), read.Services[0].Ports);
        Assert.Equal(["10.0.0.7", "fd00::7"], read.Services[1].Addresses.AsEnumerable());
        MeshEndpoint first = read.Endpoints["orders.default.svc.cluster.local"][0];
        Assert.Equal(("[::1]:4711", 8080, "eu/a", "orders", "1"), (first.Address, first.ServicePort, first.Zone, first.Workload, first.Version));
        Assert.Equal(Everything.Endpoints["orders.default.svc.cluster.local"][0].Labels.AsEnumerable(), first.Labels);
        Assert.Empty(read.Endpoints["bare.default.svc.cluster.local"]);
        Assert.Equal(PushMessageWriter.Write(Everything), PushMessageWriter.Write(read));
    }

    [Fact]
    public void Write_Everything_ReadsLikeAFileOfRules()
    {
        string text = PushMessageWriter.Write(Everything with { RemovedRules = [], RemovedServices = [], Services = [], Endpoints = Everything.Endpoints.Clear(), Rules = [Everything.Rules[0]] });

        Assert.Equal("mesh: push\nversion: c5e0-3-9f86d081\nfull: false\n---\n" + Rule, text);
    }

    [Fact]
    public void Read_WindowsLineEndsAndNoLastOne_IsTheSamePush()
    {
        string text = PushMessageWriter.Write(Everything).ReplaceLineEndings("\r\n").TrimEnd();

        PushMessage read = Good(text);

        Assert.Equal(Everything.Rules[0], read.Rules[0]);
        Assert.Equal(Everything.Rules[1].Yaml.TrimEnd() + "\n", read.Rules[1].Yaml);
    }

    [Theory]
    [InlineData("", "it is empty")]
    [InlineData("hello", "must be an object")]
    [InlineData("apiVersion: v1\nkind: Pod", "line 1: apiVersion: unknown field")]
    [InlineData("version: a\nfull: true", "mesh: push is required")]
    [InlineData("mesh: push\nfull: true", "version is required")]
    [InlineData("mesh: push\nversion: a", "full is required")]
    [InlineData("mesh: push\nversion: a\nfull: maybe", "line 3: full: must be true or false")]
    [InlineData("mesh: push\nversion: a\nfull: true\nendpoint: {}", "line 4: endpoint: unknown field \"endpoint\"; did you mean \"endpoints\"?")]
    [InlineData("mesh: push\nversion: a\nfull: true\nendpoints: {a: [{address: b, servicePort: 70000}]}", "endpoints.a[0].servicePort: must be in 1..65535")]
    [InlineData("mesh: push\nversion: a\nfull: true\nservices: [{host: a}]", "services[0].namespace: namespace is required")]
    [InlineData("mesh: push\nversion: a\nversion: b\nfull: true", "duplicate field \"version\"")]
    [InlineData("mesh: push\nversion: [", "not readable as YAML")]
    [InlineData("mesh: push\nversion: a\nfull: true\n---\n", "rule at line 5: kind is missing")]
    [InlineData("mesh: push\nversion: a\nfull: true\n---\nkind: X\nmetadata: {name: a, namespace: b}", "rule at line 5: metadata.resourceVersion is missing")]
    [InlineData("mesh: push\nversion: a\nfull: true\n---\nkind: \"X", "rule at line 5: not readable as YAML")]
    [InlineData("mesh: push\nversion: a\nfull: true\n---\n- kind: X", "rule at line 5: kind is missing")]
    [InlineData("mesh: push\nversion: a\nfull: true\n---\nkind: X\nmetadata: {name: [a], namespace: b, resourceVersion: c}", "metadata.name is missing")]
    public void Read_NoPush_SaysWhereAndWhy(string text, string expected)
    {
        PushReadResult result = PushMessageReader.Read(text);

        Assert.Null(result.Message);
        Assert.StartsWith("the push cannot be read: ", result.Error, StringComparison.Ordinal);
        Assert.Contains(expected, result.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void Read_RuleWithABrokenSpec_IsLeftToWhoeverBindsIt()
    {
        string broken = Rule + "  trafficPolicy: [\n";

        PushMessage read = Good("mesh: push\nversion: a\nfull: true\n---\n" + broken);

        Assert.Equal(broken, Assert.Single(read.Rules).Yaml);
    }

    [Fact]
    public void Read_CutAnywhere_NeverThrows()
    {
        string text = PushMessageWriter.Write(Everything);

        for (int length = 0; length <= text.Length; length++)
        {
            PushReadResult result = PushMessageReader.Read(text[..length]);
            Assert.NotEqual(result.Message is null, result.Error is null);
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    public void Read_Mutated_NeverThrowsAndWhatIsReadCanBeWrittenAgain(int seed)
    {
        Random random = new(seed);
        string text = PushMessageWriter.Write(Everything);
        const string Alphabet = "-:{}[]\"'#&*!|> \t\n\r\0aZ09é~,?%@`";

        for (int round = 0; round < 500; round++)
        {
            char[] mutated = text.ToCharArray();
            for (int change = random.Next(1, 6); change > 0; change--)
            {
                mutated[random.Next(mutated.Length)] = Alphabet[random.Next(Alphabet.Length)];
            }

            PushReadResult result = PushMessageReader.Read(new string(mutated));
            Assert.NotEqual(result.Message is null, result.Error is null);
            if (result.Message is { } read)
            {
                Assert.Equal(PushMessageWriter.Write(read), PushMessageWriter.Write(Good(PushMessageWriter.Write(read))));
            }
        }
    }

    private static PushMessage Good(string text)
    {
        PushReadResult result = PushMessageReader.Read(text);
        Assert.Null(result.Error);
        return result.Message!;
    }
}
