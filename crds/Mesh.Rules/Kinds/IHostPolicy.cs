namespace Mesh.Rules.Kinds;

/// <summary>A kind of ours that is about the traffic to one host: how it says which. One object of a kind holds, whole, or as many as the kind lets hold beside each other; nothing is merged.</summary>
internal interface IHostPolicy
{
    /// <summary>The host, as in a DestinationRule.</summary>
    string? Host { get; }

    /// <summary>Only for this subset.</summary>
    string? Subset { get; }

    /// <summary>Only for this port.</summary>
    int? Port { get; }

    /// <summary>Only for the route of this name.</summary>
    string? Route => null;

    /// <summary>Whether it stands in front of the host's own application, not in its callers' sidecars.</summary>
    bool IsCallee => false;

    /// <summary>How many that select the same hold beside each other, the oldest first.</summary>
    int MostTogether => 1;

    /// <summary>Whether it enforces nothing and another may hold beside it: then it is evaluated in its shadow.</summary>
    bool IsPassedOver => false;
}
