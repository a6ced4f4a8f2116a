using System.Collections.Immutable;
using System.Text.Json;

namespace Mesh.ControlPlane.Kubernetes;

/// <summary>An object that came, changed (both are set) or went.</summary>
internal readonly record struct ResourceChange<T>(ObjectKey Key, T? Before, T? After)
    where T : class;

/// <summary>
/// All objects of one resource, each cut down to what we need of it. Compares what comes with what is there: an event that changes nothing for us
/// is no change, and a list tells what is gone. Written by one loop; <see cref="Items"/> may be read by anybody.
/// </summary>
/// <param name="read">Cuts an object down; null leaves it out.</param>
/// <param name="changed">Told of changes, on the thread of the loop.</param>
internal sealed class ResourceTable<T>(Func<JsonElement, T?> read, Action<IReadOnlyList<ResourceChange<T>>> changed) : IWatchSink
    where T : class
{
    private ImmutableDictionary<ObjectKey, T> _items = ImmutableDictionary<ObjectKey, T>.Empty;
    private ImmutableDictionary<ObjectKey, T>.Builder? _listed;

    /// <summary>The objects now.</summary>
    public ImmutableDictionary<ObjectKey, T> Items => Volatile.Read(ref _items);

    /// <inheritdoc/>
    public void BeginList() => _listed = ImmutableDictionary.CreateBuilder<ObjectKey, T>();

    /// <inheritdoc/>
    public void AddListed(JsonElement obj)
    {
        if (read(obj) is { } item)
        {
            _listed![ObjectKey.Of(obj)] = item;
        }
    }

    /// <inheritdoc/>
    public void EndList()
    {
        ImmutableDictionary<ObjectKey, T> former = _items;
        ImmutableDictionary<ObjectKey, T> next = _listed!.ToImmutable();
        _listed = null;
        List<ResourceChange<T>> changes = [];
        foreach ((ObjectKey key, T item) in next)
        {
            T? before = former.GetValueOrDefault(key);
            if (!item.Equals(before))
            {
                changes.Add(new ResourceChange<T>(key, before, item));
            }
        }

        changes.AddRange(former.Where(entry => !next.ContainsKey(entry.Key)).Select(static e => new ResourceChange<T>(e.Key, e.Value, null)));
        Publish(next, changes);
    }

    /// <inheritdoc/>
    public void Set(JsonElement obj) => Put(ObjectKey.Of(obj), read(obj));

    /// <inheritdoc/>
    public void Remove(JsonElement obj) => Put(ObjectKey.Of(obj), null);

    private void Put(ObjectKey key, T? item)
    {
        T? before = _items.GetValueOrDefault(key);
        if (!Equals(before, item))
        {
            Publish(item is null ? _items.Remove(key) : _items.SetItem(key, item), [new ResourceChange<T>(key, before, item)]);
        }
    }

    private void Publish(ImmutableDictionary<ObjectKey, T> next, List<ResourceChange<T>> changes)
    {
        Volatile.Write(ref _items, next);
        if (changes.Count > 0)
        {
            changed(changes);
        }
    }
}
