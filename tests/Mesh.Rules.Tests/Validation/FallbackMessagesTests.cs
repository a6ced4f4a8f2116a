using Mesh.Rules.Kinds;
using Mesh.Rules.Reading;
using Mesh.Rules.Validation;
using Xunit;

namespace Mesh.Rules.Tests.Validation;

public sealed class FallbackMessagesTests
{
    private const string Full = """
        host: products
        subset: v1
        port: 8080
        mode: enforce
        triggers: [open, overflow, timeout, no-healthy-upstream, connect-failure, reset, "503"]
        methods: [GET, HEAD]
        lastGood: {maxAge: 1m, maxEntries: 10, maxBytes: 512Ki, vary: [Accept-Language], shared: true}
        destination: {host: products-backup, subset: v2, port: {number: 80}}
        static:
          status: 200
          contentType: application/json
          headers: {x-from: mesh}
          body: "[]"
          bodies: {ko: "[]", pt-BR: "[]"}
        """;

    [Fact]
    public void Read_EveryField_IsBoundWithoutFindings()
    {
        RuleReadResult read = Read(Full);
        Fallback fallback = (Fallback)read.Document!.Spec;

        Assert.Empty(read.Diagnostics);
        Assert.Equal(("products", "v1", 8080, "enforce", 7, 2), (fallback.Host, fallback.Subset, fallback.Port, fallback.Mode, fallback.Triggers.Length, fallback.Methods.Length));
        Assert.Equal((TimeSpan.FromMinutes(1), 10, 512 * 1024, true), (fallback.LastGood!.MaxAge, fallback.LastGood.MaxEntries, fallback.LastGood.MaxBytes, fallback.LastGood.Shared));
        Assert.Equal(("products-backup", "v2", 80), (fallback.Destination!.Host, fallback.Destination.Subset, fallback.Destination.Port!.Number));
        Assert.Equal((200, "application/json", "mesh", "[]", "ko pt-BR"), (fallback.Static!.Status, fallback.Static.ContentType, fallback.Static.Headers["x-from"], fallback.Static.Body, string.Join(' ', fallback.Static.Bodies.Keys)));
    }

    [Theory]
    [InlineData("4096", 4096)]
    [InlineData("'4096'", 4096)]
    [InlineData("2Ki", 2048)]
    [InlineData("3Mi", 3 << 20)]
    [InlineData("1Gi", 1 << 30)]
    [InlineData("5k", 5000)]
    [InlineData("6M", 6_000_000)]
    public void Read_Bytes_AsKubernetesWritesThem(string text, long bytes) =>
        Assert.Equal(bytes, ((Fallback)Read($"host: a\nlastGood: {{maxBytes: {text}}}").Document!.Spec).LastGood!.MaxBytes);

    [Theory]
    [InlineData("static: {body: a}", "spec.host", "host is required")]
    [InlineData("host: a", "spec", "write one of lastGood, destination and static")]
    [InlineData("host: a\nstatic: {}\nsubset: V_1", "spec.subset", "subset name is invalid")]
    [InlineData("host: a\nstatic: {}\ntriggers: [5xx]", "spec.triggers[0]", "write open, overflow, timeout")]
    [InlineData("host: a\nstatic: {}\ntriggers: ['200']", "spec.triggers[0]", "from \"400\"")]
    [InlineData("host: a\nstatic: {}\nmethods: [get]", "spec.methods[0]", "such as GET")]
    [InlineData("host: a\nlastGood: {maxAge: 0s}", "spec.lastGood.maxAge", "")]
    [InlineData("host: a\nlastGood: {maxEntries: 0}", "spec.lastGood.maxEntries", "1..100000")]
    [InlineData("host: a\nlastGood: {maxBytes: 1MB}", "spec.lastGood.maxBytes", "such as 512Ki or 1Mi")]
    [InlineData("host: a\nlastGood: {maxBytes: 0}", "spec.lastGood.maxBytes", "such as 512Ki or 1Mi")]
    [InlineData("host: a\nlastGood: {maxBytes: 5000000Gi}", "spec.lastGood.maxBytes", "such as 512Ki or 1Mi")]
    [InlineData("host: a\nlastGood: {vary: ['a b']}", "spec.lastGood.vary[0]", "not a valid header name")]
    [InlineData("host: a\ndestination: {subset: b}", "spec.destination.host", "destination host is required")]
    [InlineData("host: a\ndestination: {host: '*.b'}", "spec.destination.host", "not one service")]
    [InlineData("host: a\ndestination: {host: a}", "spec.destination.host", "the very host that fails")]
    [InlineData("host: a\nstatic: {status: 100}", "spec.static.status", "200..599")]
    [InlineData("host: a\nstatic: {status: 204, body: a}", "spec.static.status", "has no body")]
    [InlineData("host: a\nstatic: {contentType: \"a\\r\\nb: c\"}", "spec.static.contentType", "line breaks")]
    [InlineData("host: a\nstatic: {headers: {content-length: '1'}}", "spec.static.headers.content-length", "not the rule's to say")]
    [InlineData("host: a\nstatic: {headers: {Content-Type: a}}", "spec.static.headers.Content-Type", "stands in contentType")]
    [InlineData("host: a\nstatic: {headers: {a: \"b\\nc\"}}", "spec.static.headers.a", "line breaks")]
    [InlineData("host: a\nstatic: {body: a, bodies: {k_o: b}}", "spec.static.bodies.k_o", "no language tag")]
    [InlineData("host: a\nstatic: {body: a, bodies: {'false': b}}", "spec.static.bodies.false", "for Norwegian")]
    [InlineData("host: a\nstatic: {bodies: {ko: b}}", "spec.static", "body is required beside bodies")]
    [InlineData("host: a\nstatic: {bodi: b}", "spec.static.bodi", "did you mean \"body\"")]
    public void Read_WrongSpec_IsRefusedAtItsPlace(string spec, string path, string message)
    {
        Diagnostic error = Assert.Single(Read(spec).Errors());

        Assert.Equal(path, error.Path);
        Assert.Contains(message, error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("host: a\nstatic: {}\nmethods: [POST]", "spec.methods[0]", "nothing was done")]
    [InlineData("host: a\ndestination: {host: b}\nmethods: [POST]", "spec.methods[0]", "it is done twice")]
    [InlineData("host: a\nlastGood: {}\nmethods: [OPTIONS]", "spec.lastGood", "no effect without GET")]
    public void Read_SurprisingSpec_Warns(string spec, string path, string message)
    {
        Diagnostic warning = Assert.Single(Read(spec).Diagnostics);

        Assert.Equal((path, Severity.Warning), (warning.Path, warning.Severity));
        Assert.Contains(message, warning.Message, StringComparison.Ordinal);
    }

    private static RuleReadResult Read(string spec) => RuleText.Read(RuleText.Document("Fallback", spec)
        .Replace("networking.istio.io/v1", "resilience.mesh.dev/v1alpha1", StringComparison.Ordinal));
}
