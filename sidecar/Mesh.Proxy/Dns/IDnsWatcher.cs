namespace Mesh.Proxy.Dns;

/// <summary>What a refresh of a name has brought.</summary>
/// <param name="IsAnswered">False when nobody could tell about one family at least.</param>
/// <param name="IsEmpty">No address is known now.</param>
/// <param name="HasChanged">The addresses are others than before.</param>
internal readonly record struct DnsRefresh(bool IsAnswered, bool IsEmpty, bool HasChanged);

/// <summary>Somebody who uses names. Called on any thread, outside locks; an exception is a bug, counted, and hurts nobody else.</summary>
internal interface IDnsWatcher
{
    /// <summary>Whether the log tells how it stands with the names: not with those that any caller may bring.</summary>
    bool WantsLog { get; }

    /// <summary>A name is being asked for.</summary>
    void OnAsking();

    /// <summary>The answer is in force.</summary>
    void OnAnswer(DnsRefresh refresh);
}
