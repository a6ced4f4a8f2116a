using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Net.ServerSentEvents;
using Mesh.ControlPlane.Certificates;
using Mesh.ControlPlane.Hosting;
using Mesh.ControlPlane.Kubernetes;
using Mesh.ControlPlane.Store;
using Mesh.ControlPlane.Tests.Push;
using Mesh.Injection;
using Mesh.Rules.Wire;
using Mesh.Testing;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Mesh.ControlPlane.Tests.Hosting;

/// <summary>The whole server on loopback ports of the system's choice, over a store in memory and the real clock.</summary>
internal sealed class ServerBench : IAsyncDisposable
{
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);
    private readonly List<string> _printed = [];
    private ControlPlaneServer? _server;
    private ServerCertificates? _own;

    public FakeRuleStore Store { get; } = new();

    public HttpClient Client { get; private set; } = new();

    public IReadOnlyList<string> Printed => _printed;

    /// <summary>Clock of the token's file.</summary>
    public FakeTimeProvider FileTime { get; } = new();

    public Uri Metrics => new(_printed[1]["metrics listening on ".Length..]);

    public ControlPlaneServer Server => _server!;

    public static async Task<ServerBench> StartAsync(params string[] arguments)
    {
        CommandLineResult line = CommandLine.Read(["serve", "--listen", "127.0.0.1:0", .. arguments], static _ => null);
        Assert.Null(line.Error);
        ServerBench bench = new();
        await bench.StartAsync(line.Options!, static _ => { });
        return bench;
    }

    public async Task StartAsync(ServeOptions options, Action<IEndpointRouteBuilder> mapRules, ClusterSource? cluster = null, TimeProvider? certificateTime = null)
    {
        var (certificates, token, problem) = DoorKeys.Read(options, FileTime);
        Assert.Null(problem);
        _own = DoorBuilder.Certificates(options, cluster, (certificateTime ?? TimeProvider.System, NullLoggerFactory.Instance));
        Door door = DoorBuilder.Build(
            options, (certificates, token), _own, (cluster, InjectionSettings.Default), (TimeProvider.System, new Random(1), NullLoggerFactory.Instance));
        await (_own?.StartAsync() ?? Task.CompletedTask);
        _server = new ControlPlaneServer(options, door, cluster?.Rules ?? (IRuleStore)Store, mapRules, (TimeProvider.System, new Random(1), NullLoggerProvider.Instance), cluster);
        await _server.StartAsync(_printed.Add);
        Client.Dispose();
        Client = new HttpClient(new HttpClientHandler { ServerCertificateCustomValidationCallback = static (_, _, _, _) => true })
        {
            BaseAddress = new Uri(_printed[0]["api listening on ".Length..]),
            Timeout = Patience,
        };
    }

    public async Task<string> RegisterAsync(SidecarRegistration registration)
    {
        using HttpResponseMessage answer = await Client.PostAsJsonAsync("/mesh/v1/sidecars", registration, WireJson.Default.SidecarRegistration);
        Assert.True(answer.IsSuccessStatusCode, await answer.Content.ReadAsStringAsync());
        return (await answer.Content.ReadFromJsonAsync(WireJson.Default.SidecarRegistered))!.Id;
    }

    public async Task<PushReader> FollowAsync(string id, string? lastEventId = null)
    {
        HttpRequestMessage request = new(HttpMethod.Get, $"/mesh/v1/sidecars/{id}/stream");
        request.Headers.Accept.Add(new MediaTypeWithQualityHeaderValue(SseWriter.ContentType));
        if (lastEventId is not null)
        {
            request.Headers.Add("Last-Event-ID", lastEventId);
        }

        HttpResponseMessage answer = await Client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
        answer.EnsureSuccessStatusCode();
        Assert.Equal(SseWriter.ContentType, answer.Content.Headers.ContentType!.MediaType);
        return new PushReader(answer, await answer.Content.ReadAsStreamAsync());
    }

    public async Task AckAsync(string id, SidecarAck ack)
    {
        using HttpResponseMessage answer = await Client.PostAsJsonAsync($"/mesh/v1/sidecars/{id}/ack", ack, WireJson.Default.SidecarAck);
        answer.EnsureSuccessStatusCode();
    }

    public async ValueTask DisposeAsync()
    {
        Client.Dispose();
        if (_server is not null)
        {
            await _server.DisposeAsync();
        }

        if (_own is not null)
        {
            await _own.DisposeAsync();
        }
    }

    /// <summary>Reads pushes from a stream, one by one.</summary>
    internal sealed class PushReader(HttpResponseMessage answer, Stream body) : IAsyncDisposable
    {
        private readonly IAsyncEnumerator<SseItem<string>> _items = SseParser.Create(body).EnumerateAsync().GetAsyncEnumerator();

        /// <summary>The next push; null when the stream ended.</summary>
        public async Task<PushMessage?> NextAsync()
        {
            if (!await _items.MoveNextAsync().AsTask().WaitAsync(Patience))
            {
                return null;
            }

            SseItem<string> item = _items.Current;
            PushReadResult read = PushMessageReader.Read(item.Data);
            Assert.Null(read.Error);
            Assert.Equal((SseWriter.PushEvent, read.Message!.Version), (item.EventType, item.EventId));
            return read.Message;
        }

        /// <summary>Reads until a push satisfies the condition.</summary>
        public async Task<PushMessage> NextAsync(Func<PushMessage, bool> condition)
        {
            PushMessage? push;
            do
            {
                push = await NextAsync();
                Assert.NotNull(push);
            }
            while (!condition(push));

            return push;
        }

        public async ValueTask DisposeAsync()
        {
            answer.Dispose();
            await body.DisposeAsync();
        }
    }
}
