using System.Text.Json;

namespace Mesh.ControlPlane.Kubernetes;

/// <summary>Takes what a watch sees of one resource. Called by one loop, never by two threads at once; must not keep the elements.</summary>
internal interface IWatchSink
{
    /// <summary>A list begins; what was listed before without <see cref="EndList"/> is void.</summary>
    void BeginList();

    /// <summary>An object of the list.</summary>
    void AddListed(JsonElement obj);

    /// <summary>The list is whole: what was not in it is gone.</summary>
    void EndList();

    /// <summary>An object is new or changed.</summary>
    void Set(JsonElement obj);

    /// <summary>An object is gone; its content may be an old one.</summary>
    void Remove(JsonElement obj);
}
