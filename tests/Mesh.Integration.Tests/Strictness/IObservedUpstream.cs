namespace Mesh.Integration.Tests.Strictness;

/// <summary>An upstream that tells which requests it took what it got for.</summary>
internal interface IObservedUpstream : IAsyncDisposable
{
    /// <summary>HOST:PORT.</summary>
    string Address { get; }

    /// <summary>Request lines in the order in which they were seen, all since the start.</summary>
    IReadOnlyList<string> Lines();
}
