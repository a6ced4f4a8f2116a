namespace Mesh.Integration.Tests.Strictness;

/// <summary>An upstream that somebody else started, seen through its access log: one request line a line.</summary>
internal sealed class ForeignUpstream(string address, string log) : IObservedUpstream
{
    public string Address => address;

    public IReadOnlyList<string> Lines()
    {
        using FileStream stream = new(log, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
        using StreamReader reader = new(stream);
        string text = reader.ReadToEnd();
        return text.Length == 0 ? [] : text[..(text.LastIndexOf('\n') + 1)].Split('\n', StringSplitOptions.RemoveEmptyEntries);
    }

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;
}
