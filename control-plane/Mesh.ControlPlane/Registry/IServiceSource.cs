namespace Mesh.ControlPlane.Registry;

/// <summary>Services and endpoints that come from elsewhere than the sidecars' own registrations: a cluster knows them itself. Thread-safe.</summary>
internal interface IServiceSource
{
    /// <summary>Raised after services or endpoints changed; on any thread.</summary>
    event Action? Changed;

    /// <summary>Services and endpoints now.</summary>
    RegistryState Current { get; }
}
