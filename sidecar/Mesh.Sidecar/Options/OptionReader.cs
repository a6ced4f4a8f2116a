using System.Text;

namespace Mesh.Sidecar.Options;

/// <summary>Reads the options of a command by its table: from the command line, then from the environment, else the defaults stay. Pure.</summary>
internal static class OptionReader
{
    /// <summary>The options, or null with a line of text in <paramref name="mistake"/>.</summary>
    /// <param name="arguments">Arguments of the process; the first is the command.</param>
    /// <param name="rows">The command's options.</param>
    /// <param name="options">Its defaults.</param>
    /// <param name="environment">Looks a variable up; null when it is not set.</param>
    /// <param name="mistake">What is wrong, and what to write instead.</param>
    public static TOptions? Read<TOptions>(
        IReadOnlyList<string> arguments, IReadOnlyList<OptionRow<TOptions>> rows, TOptions options, Func<string, string?> environment, out string? mistake)
        where TOptions : class
    {
        Dictionary<string, string> given = [];
        mistake = Collect(arguments, rows, given);
        foreach (OptionRow<TOptions> row in mistake is null ? rows : [])
        {
            bool isGiven = given.TryGetValue(row.Name, out string? value);
            value ??= environment(row.Variable) ?? (row.IstioVariable is { } istios ? environment(istios) : null);
            if (value is null)
            {
                continue;
            }

            Taken<TOptions> taken = value.Length == 0 && !row.TakesEmpty ? Taken<TOptions>.Wrong(row.Value) : row.Take(options, value);
            if (taken.Options is null)
            {
                mistake = $"{(isGiven ? row.Name : environment(row.Variable) is null ? row.IstioVariable : row.Variable)}: '{value}' is not right; write {taken.Expected}";
                return null;
            }

            options = taken.Options;
        }

        return mistake is null ? options : null;
    }

    /// <summary>Adds the lines of <c>--help</c>.</summary>
    public static void AddHelp<TOptions>(StringBuilder text, IReadOnlyList<OptionRow<TOptions>> rows)
        where TOptions : class
    {
        foreach (OptionRow<TOptions> row in rows)
        {
            string head = $"  {row.Name} {row.Value}";
            text.Append(head.PadRight(38)).Append(head.Length >= 38 ? " " : "").Append(row.Help).Append('\n');
        }
    }

    private static string? Collect<TOptions>(IReadOnlyList<string> arguments, IReadOnlyList<OptionRow<TOptions>> rows, Dictionary<string, string> given)
        where TOptions : class
    {
        for (int i = 1; i < arguments.Count; i++)
        {
            string argument = arguments[i];
            int equals = argument.IndexOf('=', StringComparison.Ordinal);
            string name = equals < 0 ? argument : argument[..equals];
            OptionRow<TOptions>? row = rows.FirstOrDefault(r => r.Name == name);
            if (row is null)
            {
                return name.StartsWith('-')
                    ? $"{name}: there is no such option; {Nearest(name, rows.Select(static r => r.Name))}--help shows all"
                    : $"'{argument}' stands alone; every value follows its option, --help shows all";
            }

            if (equals < 0 && !row.IsSwitch && (i + 1 == arguments.Count || arguments[i + 1].StartsWith("--", StringComparison.Ordinal)))
            {
                return $"{name}: its value is missing; write {name} {row.Value}";
            }

            if (!given.TryAdd(name, equals >= 0 ? argument[(equals + 1)..] : row.IsSwitch ? "true" : arguments[++i]))
            {
                return $"{name}: given twice; write it once";
            }
        }

        return null;
    }

    private static string Nearest(string name, IEnumerable<string> names)
    {
        string? near = names.MinBy(n => Distance(n, name));
        return near is not null && Distance(near, name) <= 2 ? $"did you mean {near}? " : "";
    }

    /// <summary>Edits (insert, delete, replace) that turn one text into the other.</summary>
    private static int Distance(string left, string right)
    {
        int[] row = [.. Enumerable.Range(0, right.Length + 1)];
        for (int i = 1; i <= left.Length; i++)
        {
            int diagonal = row[0];
            row[0] = i;
            for (int j = 1; j <= right.Length; j++)
            {
                int replace = diagonal + (left[i - 1] == right[j - 1] ? 0 : 1);
                diagonal = row[j];
                row[j] = Math.Min(replace, Math.Min(row[j], row[j - 1]) + 1);
            }
        }

        return row[^1];
    }
}
