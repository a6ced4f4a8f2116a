namespace Mesh.Peers;

/// <summary>The comparison cannot go on. The message says what ended or did not come, and where its log is.</summary>
internal sealed class PeersException(string message) : Exception(message);
