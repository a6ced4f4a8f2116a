using System.Collections.Concurrent;
using System.Net;
using System.Text.Json.Nodes;
using Mesh.ControlPlane.Hosting;
using Mesh.ControlPlane.Kubernetes;
using Mesh.Rules.Kinds;
using Mesh.Testing;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging.Abstractions;

namespace Mesh.ControlPlane.Tests.Kubernetes;

/// <summary>
/// A Kubernetes API server that does what a test says: behind TLS, with tokens, versions, watches and the faults of a bad day. Its objects are in <see cref="Objects"/>.
/// </summary>
internal sealed class ApiDouble : IAsyncDisposable
{
    public const string Token = "first-token";

    private readonly WebApplication _app;
    private readonly ConcurrentQueue<string> _requests = new();
    private readonly List<Fault> _faults = [];
    private volatile TaskCompletionSource? _gate;

    private ApiDouble(WebApplication app, TestAuthority authority)
    {
        (_app, Authority) = (app, authority);
        Objects = new ApiObjects();
    }

    /// <summary>Its objects, and what resources there are.</summary>
    public ApiObjects Objects { get; }

    /// <summary>Issuer of its certificate.</summary>
    public TestAuthority Authority { get; }

    /// <summary>The token that it takes now.</summary>
    public string Accepts { get; set; } = Token;

    /// <summary>Judges a token: the status of its TokenReview. Nobody is known as long as a test says nothing else.</summary>
    public Func<string, Task<JsonObject>> Judge { get; set; } = static _ => Task.FromResult(ReviewStatus.Unknown());

    /// <summary>Called with method, path and query of each request before it is answered.</summary>
    public Action<string> Coming { get; set; } = static _ => { };

    /// <summary>Method, path and query of each request, oldest first.</summary>
    public IReadOnlyList<string> Requests => [.. _requests];

    public Uri Address => new(WebHost.AddressOf(_app));

    public ApiServer Server => new(Address)
    {
        Roots = [Authority.Root],
        Token = BearerToken.FromText(Token),
        Namespace = "mesh",
        Operators = "mesh",
    };

    public static async Task<ApiDouble> StartAsync()
    {
        NoSynchronizationContext.Use();
        TestAuthority authority = new();
        Door door = new() { Given = [authority.Issue("127.0.0.1", "localhost")] };
        WebApplication app = WebHost.Create(new IPEndPoint(IPAddress.Loopback, 0), door.Tls, NullLoggerProvider.Instance);
        ApiDouble server = new(app, authority);
        app.Run(server.HandleAsync);
        await app.StartAsync();
        return server;
    }

    /// <summary>Serves all that a control plane asks for.</summary>
    public void ServeAll()
    {
        foreach (RuleKind kind in RuleKinds.All)
        {
            Objects.Serve(kind.Group, kind.Plural, [.. kind.Versions]);
        }

        Objects.Serve("", "services", "v1").Serve("", "pods", "v1").Serve("", "nodes", "v1")
            .Serve("discovery.k8s.io", "endpointslices", "v1").Serve("coordination.k8s.io", "leases", "v1")
            .Serve("", "secrets", "v1").Serve("", "namespaces", "v1").Serve("", "configmaps", "v1");
    }

    public KubernetesClient Client(TimeProvider time) => new(Server, time);

    /// <summary>Answers the next requests that match with a refusal.</summary>
    /// <param name="match">Beginning or part of "METHOD path?query".</param>
    /// <param name="code">HTTP status.</param>
    /// <param name="times">How many; a very large number for "until <see cref="Mend"/>".</param>
    /// <param name="retryAfter">Seconds of a Retry-After header.</param>
    public void Fail(string match, int code, int times = int.MaxValue, int? retryAfter = null)
    {
        lock (_faults)
        {
            _faults.Add(new Fault(match, code, retryAfter) { Left = times });
        }
    }

    /// <summary>Takes all faults away.</summary>
    public void Mend()
    {
        lock (_faults)
        {
            _faults.Clear();
        }
    }

    /// <summary>Holds lists (not watches) until the returned source is completed.</summary>
    public TaskCompletionSource HoldLists() => _gate = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Requests so far that contain the text.</summary>
    public int Count(string text) => _requests.Count(r => r.Contains(text, StringComparison.Ordinal));

    public async ValueTask DisposeAsync()
    {
        _gate?.TrySetResult();
        Objects.EndWatches(isCut: true);
        await _app.StopAsync();
        await _app.DisposeAsync();
        Authority.Dispose();
    }

    internal static Task AnswerAsync(HttpContext context, int code, JsonObject body)
    {
        context.Response.StatusCode = code;
        context.Response.ContentType = "application/json";
        return context.Response.WriteAsync(body.ToJsonString(), context.RequestAborted);
    }

    internal static JsonObject Status(int code, string reason, string message) => new()
    {
        ["kind"] = "Status",
        ["apiVersion"] = "v1",
        ["metadata"] = new JsonObject(),
        ["status"] = "Failure",
        ["message"] = message,
        ["reason"] = reason,
        ["code"] = code,
    };

    private async Task HandleAsync(HttpContext context)
    {
        string request = $"{context.Request.Method} {context.Request.Path}{context.Request.QueryString}";
        _requests.Enqueue(request);
        Coming(request);
        if (context.Request.Headers.Authorization != $"Bearer {Accepts}")
        {
            await AnswerAsync(context, 401, Status(401, "Unauthorized", "Unauthorized"));
            return;
        }

        if (TakeFault(request) is { } fault)
        {
            if (fault.RetryAfter is { } seconds)
            {
                context.Response.Headers.RetryAfter = seconds.ToString(System.Globalization.CultureInfo.InvariantCulture);
            }

            await AnswerAsync(context, fault.Code, Status(fault.Code, "", $"fault {fault.Code}"));
            return;
        }

        if (context.Request is { Method: "POST", Path.Value: "/apis/authentication.k8s.io/v1/tokenreviews" })
        {
            await AnswerReviewAsync(context);
            return;
        }

        if (_gate is { } gate && context.Request.Method == "GET" && !request.Contains("watch=true", StringComparison.Ordinal) && request.Contains("limit=", StringComparison.Ordinal))
        {
            await gate.Task.WaitAsync(context.RequestAborted);
        }

        await Objects.HandleAsync(context);
    }

    /// <summary>201 and the question echoed, whatever the verdict, as the real one does.</summary>
    private async Task AnswerReviewAsync(HttpContext context)
    {
        JsonObject review = (JsonObject)(await JsonNode.ParseAsync(context.Request.Body, cancellationToken: context.RequestAborted))!;
        JsonNode spec = review["spec"]!;
        review["status"] = spec["audiences"] is JsonArray { Count: 1 } audiences && (string?)audiences[0] == "mesh-control-plane"
            ? await Judge((string)spec["token"]!)
            : ReviewStatus.Unknown("the question is for another audience");
        await AnswerAsync(context, 201, review);
    }

    private Fault? TakeFault(string request)
    {
        lock (_faults)
        {
            Fault? fault = _faults.Find(f => f.Left > 0 && request.Contains(f.Match, StringComparison.Ordinal));
            if (fault is not null)
            {
                fault.Left--;
            }

            return fault;
        }
    }

    private sealed record Fault(string Match, int Code, int? RetryAfter)
    {
        public int Left { get; set; }
    }
}
