using System.Text;
using Mesh.ControlPlane.Kubernetes;
using Mesh.Testing;
using Xunit;

namespace Mesh.ControlPlane.Tests.Kubernetes;

public sealed class WatchStreamTests
{
    private const string Added = """{"type":"ADDED","object":{"metadata":{"name":"ü"}}}""";

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(7)]
    [InlineData(1000)]
    public async Task Read_InPiecesOfAnySize_IsTheSame(int size)
    {
        string[] events = await ReadAllAsync($"{Added}\n{Added.Replace("ADDED", "DELETED", StringComparison.Ordinal)}\n", size);

        Assert.Equal(["ADDED ü", "DELETED ü", "end"], events);
    }

    [Theory]
    [InlineData("", "end")]
    [InlineData(Added, "broken: the stream ended inside an event")]
    [InlineData("{\"type\":\n", "broken: an event is no JSON")]
    [InlineData("\n", "broken: an event is no JSON")]
    [InlineData("[]\n", " ")] // an event of no type and no object: nobody takes it for one
    public async Task Read_Broken_SaysHow(string text, string expected) =>
        Assert.StartsWith(expected, (await ReadAllAsync(text, 1000))[0], StringComparison.Ordinal);

    [Fact]
    public void Backoff_Failures_WaitLongerUpToTheLongest()
    {
        Backoff least = new(new ScriptedRandom());
        Backoff most = new(new ScriptedRandom(100, 100));

        Assert.Equal([0.5, 1, 2, 4, 8, 15, 15, 15], Enumerable.Range(0, 8).Select(_ => least.Next().TotalSeconds));
        Assert.Equal([1.0, 2.0], Enumerable.Range(0, 2).Select(_ => most.Next().TotalSeconds));
        least.Reset();
        Assert.Equal(0.5, least.Next().TotalSeconds);
    }

    private static async Task<string[]> ReadAllAsync(string text, int size)
    {
        using HttpResponseMessage answer = new();
        using Pieces body = new(Encoding.UTF8.GetBytes(text), size);
        using WatchStream stream = new(answer, body);
        List<string> seen = [];
        while (true)
        {
            WatchRead read = await stream.ReadAsync(default);
            using WatchEvent? happened = read.Event;
            seen.Add(happened is not null ? $"{happened.Type} {ObjectKey.Of(happened.Object).Name}" : read.IsEnd ? "end" : "broken: " + read.Failure!.Message);
            if (happened is null)
            {
                return [.. seen];
            }
        }
    }

    /// <summary>Gives a few bytes at a time.</summary>
    private sealed class Pieces(byte[] bytes, int size) : MemoryStream(bytes)
    {
        public override int Read(Span<byte> buffer) => base.Read(buffer[..Math.Min(size, buffer.Length)]);

        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) =>
            ValueTask.FromResult(Read(buffer.Span));
    }
}
