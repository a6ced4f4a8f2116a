using System.Text.Json.Nodes;
using Mesh.Injection;

namespace Mesh.Cli.Injecting;

/// <summary>What <c>inject</c> is asked for.</summary>
/// <param name="Sources">Files, folders, or <c>-</c>; at least one.</param>
/// <param name="Namespace">Namespace of objects that name none.</param>
/// <param name="SettingsFile">The operator's settings, or null for the defaults.</param>
/// <param name="Given">Settings of the command line, which go before those of the file.</param>
internal sealed record InjectOptions(
    IReadOnlyList<string> Sources, string Namespace, string? SettingsFile, IReadOnlyList<(SettingRow Row, string Value)> Given)
{
    private static readonly (string Option, string Setting)[] Settings =
    [
        ("--image", "image"), ("--control-plane", "controlPlane"), ("--revision", "revision"), ("--native-sidecar", "nativeSidecar"),
        ("--kubernetes-version", "kubernetesVersion"),
    ];

    /// <summary>Reads the arguments after the verb; null with what is wrong.</summary>
    public static (InjectOptions? Options, string? Problem) Read(IReadOnlyList<string> arguments)
    {
        InjectOptions options = new([], "default", null, []);
        HashSet<string> seen = new(StringComparer.Ordinal);
        for (int i = 0; i < arguments.Count; i++)
        {
            string argument = arguments[i];
            int equals = argument.IndexOf('=', StringComparison.Ordinal);
            string name = Long(equals < 0 ? argument : argument[..equals]);
            if (name is not ("--filename" or "--namespace" or "--settings") && !Settings.Any(s => s.Option == name))
            {
                return (null, argument.StartsWith('-')
                    ? $"{name}: there is no such option; 'inject' knows -f, -n, --settings, {string.Join(", ", Settings.Select(static s => s.Option))}"
                    : $"inject: '{argument}' stands alone; write -f {argument}");
            }

            string? value = equals >= 0 ? argument[(equals + 1)..] : i + 1 < arguments.Count ? arguments[++i] : null;
            if (string.IsNullOrEmpty(value))
            {
                return (null, $"{name}: its value is missing; write {name} VALUE");
            }

            if (name != "--filename" && !seen.Add(name))
            {
                return (null, $"{name}: given twice; write it once");
            }

            (InjectOptions? taken, string? problem) = options.Take(name, value);
            if (taken is null)
            {
                return (null, problem);
            }

            options = taken;
        }

        return options.Sources.Count == 0 ? (null, "inject: nothing to read; write -f FILE, or -f - for standard input") : (options, null);
    }

    private static string Long(string name) => name switch { "-f" => "--filename", "-n" => "--namespace", _ => name };

    private (InjectOptions? Options, string? Problem) Take(string name, string value)
    {
        switch (name)
        {
            case "--filename":
                return (this with { Sources = [.. Sources, value] }, null);
            case "--namespace":
                return (this with { Namespace = value }, null);
            case "--settings":
                return (this with { SettingsFile = value }, null);
            default:
                SettingRow row = SettingRow.All.First(r => r.Name == Settings.First(s => s.Option == name).Setting);
                return row.Take(InjectionSettings.Default, JsonValue.Create(value)) is null
                    ? (null, $"{name}: '{value}' is not right; write {row.Expected}")
                    : (this with { Given = [.. Given, (row, value)] }, null);
        }
    }
}
