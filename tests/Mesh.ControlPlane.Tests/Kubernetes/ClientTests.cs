using System.Text.Json.Nodes;
using Mesh.ControlPlane.Kubernetes;
using Mesh.Testing;
using Xunit;

namespace Mesh.ControlPlane.Tests.Kubernetes;

public sealed class ClientTests
{
    private const string Leases = "/apis/coordination.k8s.io/v1/namespaces/mesh/leases";
    private readonly FakeTimeProvider _time = new();

    [Theory]
    [InlineData(401, nameof(FailureKind.Unauthorized))]
    [InlineData(403, nameof(FailureKind.Forbidden))]
    [InlineData(404, nameof(FailureKind.NotFound))]
    [InlineData(409, nameof(FailureKind.Conflict))]
    [InlineData(410, nameof(FailureKind.Expired))]
    [InlineData(422, nameof(FailureKind.Refused))]
    [InlineData(429, nameof(FailureKind.TooManyRequests))]
    [InlineData(500, nameof(FailureKind.Server))]
    [InlineData(504, nameof(FailureKind.Server))]
    public async Task Get_Refused_SaysWhatItMeans(int code, string kind)
    {
        await using ApiDouble server = await ApiDouble.StartAsync();
        server.Fail("GET /api/v1/pods", code, retryAfter: 7);
        using KubernetesClient client = server.Client(_time);

        using ApiAnswer answer = await client.GetAsync("/api/v1/pods", default);

        Assert.Equal(new ApiFailure(Enum.Parse<FailureKind>(kind), code, $"fault {code}", TimeSpan.FromSeconds(7)), answer.Failure);
    }

    [Fact]
    public void From_StatusWithDetails_HasItsWordsAndItsWait()
    {
        ApiFailure failure = ApiFailure.From(504, """{"kind":"Status","message":"Too large resource version","details":{"retryAfterSeconds":1},"code":504}"""u8.ToArray(), null);

        Assert.Equal(new ApiFailure(FailureKind.Server, 504, "Too large resource version", TimeSpan.FromSeconds(1)), failure);
    }

    [Theory]
    [InlineData("upstream connect error\n", "upstream connect error")]
    [InlineData("", "HTTP status 503")]
    [InlineData("[]", "HTTP status 503")]
    public void From_NoStatus_ShowsWhatItIs(string body, string message) =>
        Assert.Equal(new ApiFailure(FailureKind.Server, 503, message), ApiFailure.From(503, System.Text.Encoding.UTF8.GetBytes(body), null));

    [Fact]
    public async Task Send_CreateReadReplacePatch_GoesByOptimisticLock()
    {
        await using ApiDouble server = await ApiDouble.StartAsync();
        server.Objects.Serve("coordination.k8s.io", "leases", "v1");
        using KubernetesClient client = server.Client(_time);
        JsonObject lease = new() { ["metadata"] = new JsonObject { ["name"] = "a", ["namespace"] = "mesh" }, ["spec"] = new JsonObject { ["holderIdentity"] = "x" } };

        using ApiAnswer created = await client.SendAsync(HttpMethod.Post, Leases, lease, "application/json", default);
        using ApiAnswer again = await client.SendAsync(HttpMethod.Post, Leases, lease, "application/json", default);
        using ApiAnswer read = await client.GetAsync($"{Leases}/a", default);
        JsonObject next = (JsonObject)JsonNode.Parse(read.Object.GetRawText())!;
        next["spec"]!["holderIdentity"] = "y";
        using ApiAnswer replaced = await client.SendAsync(HttpMethod.Put, $"{Leases}/a", next, "application/json", default);
        using ApiAnswer stale = await client.SendAsync(HttpMethod.Put, $"{Leases}/a", next, "application/json", default);
        JsonObject patch = new() { ["spec"] = new JsonObject { ["leaseTransitions"] = 1 } };
        using ApiAnswer patched = await client.SendAsync(HttpMethod.Patch, $"{Leases}/a", patch, KubernetesClient.MergePatch, default);

        Assert.Equal("x", created.Object.GetProperty("spec").Text("holderIdentity"));
        Assert.Equal(FailureKind.AlreadyExists, again.Failure!.Kind);
        Assert.Equal("y", replaced.Object.GetProperty("spec").Text("holderIdentity"));
        Assert.Equal(FailureKind.Conflict, stale.Failure!.Kind);
        Assert.Equal(("y", 1), (patched.Object.GetProperty("spec").Text("holderIdentity"), patched.Object.GetProperty("spec").Whole("leaseTransitions")));
    }

    [Fact]
    public async Task Get_TokenFileReplaced_UsesTheNewOne()
    {
        await using ApiDouble server = await ApiDouble.StartAsync();
        server.Objects.Serve("", "pods", "v1");
        string file = server.Authority.Write("token", ApiDouble.Token + "\n");
        using KubernetesClient client = new(server.Server with { Token = BearerToken.FromFile(file) }, _time);
        using ApiAnswer before = await client.GetAsync("/api/v1/pods", default);

        server.Accepts = "second-token";
        using ApiAnswer stale = await client.GetAsync("/api/v1/pods", default);
        server.Authority.Write("token", "second-token\n");
        using ApiAnswer after = await client.GetAsync("/api/v1/pods", default);

        Assert.Equal((null, FailureKind.Unauthorized, null), (before.Failure, stale.Failure?.Kind, after.Failure));
    }

    [Fact]
    public async Task Get_TokenFileGone_NamesTheFile()
    {
        await using ApiDouble server = await ApiDouble.StartAsync();
        using KubernetesClient client = new(server.Server with { Token = BearerToken.FromFile("/nowhere/token") }, _time);

        using ApiAnswer answer = await client.GetAsync("/api/v1/pods", default);

        Assert.Equal(FailureKind.Unreachable, answer.Failure!.Kind);
        Assert.Contains("/nowhere/token", answer.Failure.Message, StringComparison.Ordinal);
        Assert.Empty(server.Requests);
    }

    [Fact]
    public async Task Get_CertificateOfAnotherAuthority_IsNoAnswer()
    {
        await using ApiDouble server = await ApiDouble.StartAsync();
        using TestAuthority other = new("other root");
        using KubernetesClient client = new(server.Server with { Roots = [other.Root] }, _time);

        using ApiAnswer answer = await client.GetAsync("/api/v1/pods", default);

        Assert.Equal(FailureKind.Unreachable, answer.Failure!.Kind);
        Assert.Empty(server.Requests);
    }

    [Fact]
    public async Task Get_NoAnswer_EndsAfterTheDeadline()
    {
        await using ApiDouble server = await ApiDouble.StartAsync();
        server.HoldLists();
        using KubernetesClient client = server.Client(_time);

        Task<ApiAnswer> get = client.GetAsync("/api/v1/pods?limit=1", default);
        await Eventually.HoldsAsync(() => server.Requests.Count == 1, "the request is there");
        _time.Advance(KubernetesClient.Patience);
        using ApiAnswer answer = await get.WaitAsync(TimeSpan.FromSeconds(10));

        Assert.Equal(ApiFailure.Unreachable("no answer within 60 s"), answer.Failure);
    }

    [Fact]
    public async Task Get_PlainHttp_DoesNotShowTheToken()
    {
        await using Api.ApiBench plain = await Api.ApiBench.StartAsync();
        using KubernetesClient client = new(new ApiServer(plain.Client.BaseAddress!) { Token = BearerToken.FromFile("/nowhere/token") }, _time);

        using ApiAnswer answer = await client.GetAsync("/apis/networking.istio.io", default);

        Assert.Null(answer.Failure); // the file was not even read
        Assert.Equal("APIGroup", answer.Object.Text("kind"));
    }
}
