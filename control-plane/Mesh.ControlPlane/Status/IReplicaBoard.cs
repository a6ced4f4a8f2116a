namespace Mesh.ControlPlane.Status;

/// <summary>Where the replicas of a control plane tell each other about their sidecars, so that the one that writes statuses counts them all. Thread-safe.</summary>
internal interface IReplicaBoard
{
    /// <summary>Raised after <see cref="Others"/> changed.</summary>
    event Action? Changed;

    /// <summary>What the other replicas that live say, each in the words of <see cref="ReplicaText"/>.</summary>
    IReadOnlyList<string> Others { get; }

    /// <summary>What this replica says from now on.</summary>
    void Say(string text);
}
