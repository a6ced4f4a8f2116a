using System.Text;
using System.Text.Json;
using Mesh.Lab.Processes;

namespace Mesh.Lab.World;

/// <summary>What an instance of products counted itself, and its stock of product 2.</summary>
internal sealed record InstanceCounts(long Requests, IReadOnlyDictionary<int, long> Answers, int MaxConcurrency, long Stock)
{
    /// <summary>Answers with this status.</summary>
    public long With(int status) => Answers.GetValueOrDefault(status);
}

/// <summary>An application that can be told to be sick. The control calls go straight to it.</summary>
/// <param name="Name">Name.</param>
/// <param name="App">The process.</param>
/// <param name="Address">Where it listens.</param>
/// <param name="Http">Client without proxy.</param>
internal record ProductsApp(string Name, ChildProcess App, Uri Address, HttpClient Http)
{
    /// <summary>Healthy again.</summary>
    public Task BeWellAsync(CancellationToken stop) => TellAsync("""{"mode":"ok"}""", stop);

    /// <summary>Every answer is 500.</summary>
    public Task FailAsync(CancellationToken stop) => TellAsync("""{"mode":"fail","status":500}""", stop);

    /// <summary>Nothing is answered, and of a body no more is read than buffers take, until the mode changes.</summary>
    public Task HangAsync(CancellationToken stop) => TellAsync("""{"mode":"hang"}""", stop);

    /// <summary>Every answer takes 20 ms longer.</summary>
    public Task BeSlowAsync(CancellationToken stop) => BeSlowAsync(TimeSpan.FromMilliseconds(20), stop);

    /// <summary>Every answer takes so much longer.</summary>
    public Task BeSlowAsync(TimeSpan delay, CancellationToken stop) =>
        TellAsync(string.Create(System.Globalization.CultureInfo.InvariantCulture, $$"""{"mode":"slow","delayMs":{{delay.TotalMilliseconds:F0}}}"""), stop);

    /// <summary>Its own counts since the last reset.</summary>
    public async Task<InstanceCounts> CountsAsync(CancellationToken stop)
    {
        using JsonDocument json = JsonDocument.Parse(await Http.GetStringAsync(new Uri(Address, "/control"), stop));
        Dictionary<int, long> answers = [];
        foreach (JsonProperty answer in json.RootElement.GetProperty("answers").EnumerateObject())
        {
            answers[int.Parse(answer.Name, System.Globalization.CultureInfo.InvariantCulture)] = answer.Value.GetInt64();
        }

        return new InstanceCounts(
            json.RootElement.GetProperty("requests").GetInt64(), answers, json.RootElement.GetProperty("maxConcurrency").GetInt32(),
            json.RootElement.GetProperty("maskStock").GetInt64());
    }

    /// <summary>Sets its counts to zero.</summary>
    public async Task ResetAsync(CancellationToken stop)
    {
        using HttpResponseMessage answer = await Http.DeleteAsync(new Uri(Address, "/control"), stop);
        answer.EnsureSuccessStatusCode();
    }

    private async Task TellAsync(string mode, CancellationToken stop)
    {
        using StringContent body = new(mode, Encoding.UTF8, "application/json");
        using HttpResponseMessage answer = await Http.PutAsync(new Uri(Address, "/control"), body, stop);
        answer.EnsureSuccessStatusCode();
    }
}

/// <summary>One instance of products with the sidecar in front of it.</summary>
/// <param name="Name">Name.</param>
/// <param name="App">The application.</param>
/// <param name="Address">Where the application itself listens.</param>
/// <param name="Sidecar">The sidecar.</param>
/// <param name="Http">Client without proxy.</param>
internal sealed record ProductsInstance(string Name, ChildProcess App, Uri Address, Sidecar Sidecar, HttpClient Http) : ProductsApp(Name, App, Address, Http);
