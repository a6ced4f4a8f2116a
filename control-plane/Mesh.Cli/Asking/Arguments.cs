namespace Mesh.Cli.Asking;

/// <summary>An option that takes a value.</summary>
/// <param name="Name">Long name, <c>--admin</c>.</param>
/// <param name="Short">Short name, or null.</param>
/// <param name="MayRepeat">Whether it may stand there several times.</param>
internal sealed record OptionName(string Name, string? Short = null, bool MayRepeat = false);

/// <summary>The words and options behind a verb.</summary>
/// <param name="Words">What stands without an option.</param>
/// <param name="Values">Values by the option's long name, in order.</param>
internal sealed record Arguments(IReadOnlyList<string> Words, IReadOnlyDictionary<string, IReadOnlyList<string>> Values)
{
    /// <summary>The value of an option that stands once; null when it is not there.</summary>
    public string? this[string name] => Values.TryGetValue(name, out IReadOnlyList<string>? values) ? values[0] : null;

    /// <summary>All values of an option.</summary>
    public IReadOnlyList<string> All(string name) => Values.GetValueOrDefault(name, []);

    /// <summary>Reads <c>--name value</c>, <c>--name=value</c> and plain words; null with what is wrong.</summary>
    /// <param name="verb">For messages.</param>
    /// <param name="arguments">What stands behind the verb.</param>
    /// <param name="known">Options there are.</param>
    public static (Arguments? Read, string? Problem) Read(string verb, IReadOnlyList<string> arguments, params OptionName[] known)
    {
        List<string> words = [];
        Dictionary<string, IReadOnlyList<string>> values = new(StringComparer.Ordinal);
        for (int i = 0; i < arguments.Count; i++)
        {
            string argument = arguments[i];
            if (argument == "-" || !argument.StartsWith('-'))
            {
                words.Add(argument);
                continue;
            }

            int equals = argument.IndexOf('=', StringComparison.Ordinal);
            string name = equals < 0 ? argument : argument[..equals];
            if (Array.Find(known, o => o.Name == name || o.Short == name) is not { } option)
            {
                return (null, $"{name}: there is no such option; '{verb}' knows {string.Join(", ", known.Select(static o => o.Short is null ? o.Name : $"{o.Short}, {o.Name}"))}");
            }

            string? value = equals >= 0 ? argument[(equals + 1)..] : i + 1 < arguments.Count ? arguments[++i] : null;
            if (string.IsNullOrEmpty(value))
            {
                return (null, $"{name}: its value is missing; write {name} VALUE");
            }

            if (!option.MayRepeat && values.ContainsKey(option.Name))
            {
                return (null, $"{name}: given twice; write it once");
            }

            values[option.Name] = [.. values.GetValueOrDefault(option.Name, []), value];
        }

        return (new Arguments(words, values), null);
    }
}
