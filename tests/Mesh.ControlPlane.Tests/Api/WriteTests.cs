using System.Text.Json.Nodes;
using Xunit;
using static Mesh.ControlPlane.Tests.Api.ApiBench;

namespace Mesh.ControlPlane.Tests.Api;

public sealed class WriteTests
{
    [Fact]
    public async Task Create_GoodRule_GetsIdentityAndIsServedInEveryVersion()
    {
        await using ApiBench api = await StartAsync();
        ApiReply created = await api.CreateAsync(Rule("a", metadata: ""","creationTimestamp":null"""));
        Assert.Equal(201, created.Code);
        Assert.Equal(1, (int)created.Metadata["generation"]!);
        Assert.Equal("2030-01-01T00:00:00Z", (string?)created.Metadata["creationTimestamp"]);
        ApiReply old = await api.GetAsync(RulesPath.Replace("/v1/", "/v1alpha3/", StringComparison.Ordinal) + "/a");
        Assert.Equal("networking.istio.io/v1alpha3", (string?)old.Json["apiVersion"]);
        Assert.Equal(created.Version, old.Version);
        Assert.Equal((string?)created.Metadata["uid"], (string?)old.Metadata["uid"]);
    }

    [Fact]
    public async Task Create_Existing_Is409WithThePlural()
    {
        await using ApiBench api = await StartAsync();
        await api.CreateAsync(Rule("a"));
        ApiReply again = await api.CreateAsync(Rule("a"));
        Assert.Equal(409, again.Code);
        Assert.Equal("AlreadyExists", (string?)again.Json["reason"]);
        Assert.Equal("destinationrules.networking.istio.io \"a\" already exists", again.Message);
    }

    [Fact]
    public async Task Get_Missing_Is404WithThePlural_AndBadRule_Is422WithTheKind()
    {
        await using ApiBench api = await StartAsync();
        ApiReply missing = await api.GetAsync(RulesPath + "/nope");
        Assert.Equal((404, "destinationrules"), (missing.Code, (string?)missing.Json["details"]!["kind"]));
        ApiReply bad = await api.CreateAsync(Rule("a", """{"host":"p","trafficPolicy":{"outlierDetection":{"interval":"ten"}}}"""));
        Assert.Equal((422, "DestinationRule"), (bad.Code, (string?)bad.Json["details"]!["kind"]));
        JsonNode cause = Assert.Single((JsonArray)bad.Json["details"]!["causes"]!)!;
        Assert.Equal("spec.trafficPolicy.outlierDetection.interval", (string?)cause["field"]);
    }

    [Theory]
    [InlineData("", true)]
    [InlineData("?fieldValidation=Strict", true)]
    [InlineData("?fieldValidation=Warn", false)]
    [InlineData("?fieldValidation=Ignore", false)]
    public async Task Create_MisspeltField_IsNeverSilent(string query, bool isRefused)
    {
        await using ApiBench api = await StartAsync();
        ApiReply reply = await api.CreateAsync(Rule("a", """{"hosst":"x","host":"products"}"""), query);
        if (isRefused)
        {
            Assert.Equal(400, reply.Code);
            Assert.Contains("strict decoding error: unknown field \"spec.hosst\"", reply.Message, StringComparison.Ordinal);
            return;
        }

        Assert.Equal(201, reply.Code);
        Assert.Null(reply.Json["spec"]!["hosst"]);
        string warning = Assert.Single(reply.Warnings, static w => w.Contains("hosst", StringComparison.Ordinal));
        Assert.StartsWith("299 - \"unknown field \\\"spec.hosst\\\"", warning, StringComparison.Ordinal);
        Assert.Contains("host", warning[(warning.IndexOf("hosst", StringComparison.Ordinal) + 5)..], StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("""{"apiVersion":5,"kind":"DestinationRule","metadata":{"name":"a"},"spec":{"host":"p"}}""")]
    [InlineData("""{"apiVersion":"networking.istio.io/v1","kind":["x"],"metadata":{"name":"a"},"spec":{"host":"p"}}""")]
    [InlineData("""{"apiVersion":"networking.istio.io/v1","kind":"DestinationRule","metadata":"a","spec":{"host":"p"}}""")]
    [InlineData("""{"apiVersion":"networking.istio.io/v1","kind":"DestinationRule","metadata":{"name":7},"spec":{"host":"p"}}""")]
    [InlineData("""{"apiVersion":"networking.istio.io/v1","kind":"DestinationRule","metadata":{"name":"a","resourceVersion":7},"spec":{"host":"p"}}""")]
    [InlineData("""{"apiVersion":"networking.istio.io/v1","kind":"DestinationRule","metadata":{"name":"a","namespace":{}},"spec":{"host":"p"}}""")]
    [InlineData("""{"apiVersion":"networking.istio.io/v1","kind":"DestinationRule","metadata":{"name":"a","finalizers":"x"},"spec":{"host":"p"}}""")]
    [InlineData("""{"apiVersion":"networking.istio.io/v1","kind":"DestinationRule","metadata":{"name":"a","labels":{"x":1}},"spec":{"host":"p"}}""")]
    [InlineData("""{"apiVersion":"networking.istio.io/v1","kind":"DestinationRule","metadata":{"generateName":5},"spec":{"host":"p"}}""")]
    [InlineData("[1]")]
    [InlineData("")]
    [InlineData("{\"a\"")]
    public async Task Create_WrongTypes_AreAnsweredWithAStatus(string body)
    {
        await using ApiBench api = await StartAsync();
        ApiReply reply = await api.CreateAsync(body);
        Assert.InRange(reply.Code, 400, 422);
        Assert.Equal("Status", (string?)reply.Json["kind"]);
        Assert.NotEmpty(reply.Message!);
        Assert.Empty(api.Store.Current.Rules);
    }

    [Theory]
    [InlineData("""{"metadata":5}""")]
    [InlineData("""{"metadata":{"uid":5}}""")]
    [InlineData("""{"metadata":{"resourceVersion":5}}""")]
    [InlineData("""{"metadata":{"managedFields":"x"}}""")]
    [InlineData("""{"metadata":{"managedFields":[{"manager":5}]}}""")]
    [InlineData("""{"metadata":{"finalizers":[5]}}""")]
    [InlineData("""{"metadata":null}""")]
    [InlineData("""{"spec":null}""")]
    [InlineData("""{"kind":null,"apiVersion":5}""")]
    public async Task MergePatch_WrongTypes_NeverAnswer500AndLeaveTheRuleServed(string patch)
    {
        await using ApiBench api = await StartAsync();
        await api.CreateAsync(Rule("a"));
        ApiReply reply = await api.MergeAsync("a", patch);
        Assert.InRange(reply.Code, 200, 422);
        ApiReply after = await api.MergeAsync("a", """{"metadata":{"labels":{"x":"y"}}}""");
        Assert.Equal(200, after.Code);
        Assert.Equal(200, (await api.GetAsync(RulesPath + "?labelSelector=x%3Dy", TableAccept)).Code);
    }

    [Fact]
    public async Task NoOpWrites_KeepTheVersionAndMakeNoEvent()
    {
        await using ApiBench api = await StartAsync();
        ApiReply created = await api.CreateAsync(Rule("a"));
        long revision = api.Store.Current.Revision;
        Assert.Equal(created.Version, (await api.MergeAsync("a", """{"spec":{"host":"products"}}""")).Version);
        Assert.Equal(created.Version, (await api.SendAsync(HttpMethod.Put, RulesPath + "/a", created.Text)).Version);
        Assert.Equal(revision, api.Store.Current.Revision);
    }

    [Fact]
    public async Task MergePatch_NullDeletes_AndOnlySpecCountsTheGeneration()
    {
        await using ApiBench api = await StartAsync();
        await api.CreateAsync(Rule("a", """{"host":"products","trafficPolicy":{"connectionPool":{"tcp":{"maxConnections":1}}}}"""));
        ApiReply labelled = await api.MergeAsync("a", """{"metadata":{"labels":{"x":"y"}}}""");
        Assert.Equal(1, (int)labelled.Metadata["generation"]!);
        ApiReply changed = await api.MergeAsync("a", """{"metadata":{"labels":null},"spec":{"trafficPolicy":null}}""");
        Assert.Equal(2, (int)changed.Metadata["generation"]!);
        Assert.Null(changed.Json["spec"]!["trafficPolicy"]);
        Assert.Null(changed.Metadata["labels"]);
    }

    [Fact]
    public async Task Locks_StaleVersionIs409_PutWithoutIs422_CreateWithIs500()
    {
        await using ApiBench api = await StartAsync();
        await api.CreateAsync(Rule("a"));
        ApiReply stale = await api.MergeAsync("a", """{"metadata":{"resourceVersion":"999"},"spec":{"host":"b"}}""");
        Assert.Equal(409, stale.Code);
        Assert.Contains("the object has been modified; please apply your changes to the latest version", stale.Message, StringComparison.Ordinal);
        ApiReply put = await api.SendAsync(HttpMethod.Put, RulesPath + "/a", Rule("a"));
        Assert.Equal(422, put.Code);
        Assert.Contains("must be specified for an update", put.Message, StringComparison.Ordinal);
        Assert.Equal(500, (await api.CreateAsync(Rule("b", metadata: ""","resourceVersion":"5" """))).Code);
        Assert.Equal(404, (await api.SendAsync(HttpMethod.Put, RulesPath + "/c", Rule("c", metadata: ""","resourceVersion":"5" """))).Code);
    }

    [Fact]
    public async Task Patch_UnknownMediaType_Is415WithTheAcceptedOnes()
    {
        await using ApiBench api = await StartAsync();
        await api.CreateAsync(Rule("a"));
        ApiReply reply = await api.SendAsync(HttpMethod.Patch, RulesPath + "/a", "{}", "application/strategic-merge-patch+json");
        Assert.Equal(415, reply.Code);
        Assert.StartsWith("the body of the request was in an unknown format - accepted media types include: ", reply.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task DryRun_ChangesNothing_WhereverItIsWritten()
    {
        await using ApiBench api = await StartAsync();
        await api.CreateAsync(Rule("a"));
        RuleStateMark before = new(api.Store.Current.Revision);
        Assert.Equal(201, (await api.CreateAsync(Rule("b"), "?dryRun=All")).Code);
        Assert.Equal(200, (await api.MergeAsync("a", """{"spec":{"host":"b"}}""", "?dryRun=All")).Code);
        Assert.Equal(200, (await api.SendAsync(HttpMethod.Delete, RulesPath + "/a", """{"dryRun":["All"]}""")).Code);
        Assert.Equal(200, (await api.SendAsync(HttpMethod.Delete, RulesPath, """{"dryRun":["All"]}""")).Code);
        Assert.Equal(before, new RuleStateMark(api.Store.Current.Revision));
    }

    [Theory]
    [InlineData("?dryRun=all", null)]
    [InlineData("", """{"dryRun":["Al"]}""")]
    [InlineData("", """{"preconditions":""")]
    [InlineData("", """{"preconditions":{"uid":"other"}}""")]
    [InlineData("", """{"preconditions":{"resourceVersion":"999"}}""")]
    [InlineData("", """{"preconditions":{"uid":5}}""")]
    public async Task Delete_OptionsThatAreNotUnderstoodOrMet_DeleteNothing(string query, string? body)
    {
        await using ApiBench api = await StartAsync();
        await api.CreateAsync(Rule("a"));
        ApiReply reply = await api.SendAsync(HttpMethod.Delete, RulesPath + "/a" + query, body);
        Assert.InRange(reply.Code, 400, 422);
        Assert.Single(api.Store.Current.Rules);
    }

    [Fact]
    public async Task Delete_WithoutFinalizers_AnswersAStatusWithTheUid()
    {
        await using ApiBench api = await StartAsync();
        ApiReply created = await api.CreateAsync(Rule("a"));
        ApiReply gone = await api.SendAsync(HttpMethod.Delete, RulesPath + "/a", """{"propagationPolicy":"Background"}""");
        Assert.Equal("Success", (string?)gone.Json["status"]);
        Assert.Equal((string?)created.Metadata["uid"], (string?)gone.Json["details"]!["uid"]);
        Assert.Empty(((JsonArray)(await api.GetAsync(RulesPath + "?fieldSelector=metadata.name%3Da")).Json["items"]!));
    }

    [Fact]
    public async Task Delete_WithFinalizers_MarksItNow_AndTheLastFinalizerTakesItAway()
    {
        await using ApiBench api = await StartAsync();
        await api.CreateAsync(Rule("a", metadata: ""","finalizers":["mesh.dev/hold"]"""));
        api.Time.Advance(TimeSpan.FromHours(1));
        ApiReply marked = await api.SendAsync(HttpMethod.Delete, RulesPath + "/a", "{}");
        Assert.Equal("DestinationRule", (string?)marked.Json["kind"]);
        Assert.Equal("2030-01-01T01:00:00Z", (string?)marked.Metadata["deletionTimestamp"]);
        Assert.Equal(2, (int)marked.Metadata["generation"]!);
        Assert.Equal(marked.Version, (await api.SendAsync(HttpMethod.Delete, RulesPath + "/a", "{}")).Version);
        ApiReply more = await api.MergeAsync("a", """{"metadata":{"finalizers":["mesh.dev/hold","mesh.dev/more"]}}""");
        Assert.Equal(422, more.Code);
        Assert.Contains("no new finalizers can be added if the object is being deleted", more.Message, StringComparison.Ordinal);
        ApiReply last = await api.MergeAsync("a", """{"metadata":{"finalizers":null}}""");
        Assert.Equal(200, last.Code);
        Assert.Null(last.Metadata["finalizers"]);
        Assert.Equal(404, (await api.GetAsync(RulesPath + "/a")).Code);
    }

    [Theory]
    [InlineData("Default")]
    [InlineData("a_b")]
    [InlineData("..%2F..%2Fx")]
    [InlineData("%2E%2E")]
    [InlineData(".hidden")]
    public async Task Create_InABadNamespace_WritesNoFile(string ns)
    {
        await using ApiBench api = await StartAsync();
        ApiReply reply = await api.SendAsync(HttpMethod.Post, $"/apis/networking.istio.io/v1/namespaces/{ns}/destinationrules", Rule("a"));
        Assert.InRange(reply.Code, 400, 422);
        Assert.Empty(Directory.EnumerateFiles(api.Folder.Path, "*.yaml", SearchOption.AllDirectories));
    }

    [Fact]
    public async Task Create_TwoRulesForOneHost_WarnsWithBothNames()
    {
        await using ApiBench api = await StartAsync();
        await api.CreateAsync(Rule("first"));
        ApiReply second = await api.CreateAsync(Rule("second"));
        Assert.Contains(second.Warnings, static w => w.Contains("first", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Create_BodyAboveThreeMebibytes_Is413()
    {
        await using ApiBench api = await StartAsync();
        ApiReply reply = await api.CreateAsync(Rule("a", metadata: $$""","annotations":{"x":"{{new string('x', 3 << 20)}}"}"""));
        Assert.Equal(413, reply.Code);
    }

    [Fact]
    public async Task Status_IsWrittenOnlyThroughItsOwnEndpoint()
    {
        await using ApiBench api = await StartAsync();
        ApiReply created = await api.CreateAsync(Rule("a")[..^1] + ""","status":{"x":1}}""");
        Assert.Null(created.Json["status"]);
        ApiReply written = await api.SendAsync(
            HttpMethod.Patch, RulesPath + "/a/status", """{"metadata":{"labels":{"x":"y"}},"spec":{"host":"b"},"status":{"observedGeneration":1}}""", "application/merge-patch+json");
        Assert.Equal(1, (int)written.Json["status"]!["observedGeneration"]!);
        Assert.Equal("products", (string?)written.Json["spec"]!["host"]);
        Assert.Null(written.Metadata["labels"]);
        Assert.NotEqual(created.Version, written.Version);
        Assert.Equal(1, (int)written.Metadata["generation"]!);
    }

    [Fact]
    public async Task ConcurrentWriters_LoseNothing()
    {
        await using ApiBench api = await StartAsync();
        await api.CreateAsync(Rule("a"));
        ApiReply[] replies = await Task.WhenAll(Enumerable.Range(0, 32).Select(i => api.MergeAsync("a", "{\"metadata\":{\"labels\":{\"k" + i + "\":\"v\"}}}")));
        Assert.All(replies, static r => Assert.Equal(200, r.Code));
        Assert.Equal(32, replies.Select(static r => r.Version).Distinct().Count());
        Assert.Equal(32, ((JsonObject)(await api.GetAsync(RulesPath + "/a")).Metadata["labels"]!).Count);
    }

    private sealed record RuleStateMark(long Revision);
}
