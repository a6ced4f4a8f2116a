using System.Text;
using System.Text.Json.Nodes;
using Mesh.Cli.Checking;
using Mesh.Injection;
using Mesh.Injection.Manifests;

namespace Mesh.Cli.Injecting;

/// <summary>Runs <c>inject</c>: manifests in, manifests with sidecars out; findings on standard error. With an error nothing is written, so nothing half done is applied.</summary>
internal static class InjectCommand
{
    /// <summary>Does it; gives the exit code.</summary>
    public static int Run(InjectOptions options, TextReader input, TextWriter output, TextWriter error)
    {
        (InjectionSettings? settings, string? problem) = SettingsOf(options);
        if (settings is null)
        {
            return Wrong(problem!);
        }

        (IReadOnlyList<RuleText> texts, problem) = RuleFiles.Read(options.Sources, input);
        if (problem is not null)
        {
            return Wrong(problem);
        }

        StringBuilder whole = new();
        bool isRefused = false;
        foreach (RuleText text in texts)
        {
            ManifestResult result = ManifestInjector.Inject(text.Text, options.Namespace, settings);
            isRefused |= result.HasErrors;
            foreach (ManifestFinding finding in result.Findings)
            {
                error.WriteLine($"{text.Name}:{finding.Line}: {Word(finding.Severity)}: {finding.Message}");
            }

            whole.Append(whole.Length > 0 && !result.Text.StartsWith("---", StringComparison.Ordinal) ? "---\n" : "").Append(result.Text);
        }

        if (isRefused)
        {
            return Application.Refused;
        }

        output.Write(whole);
        return Application.Good;

        int Wrong(string message)
        {
            error.WriteLine($"meshctl: {message}");
            return Application.WrongUsage;
        }
    }

    private static (InjectionSettings? Settings, string? Problem) SettingsOf(InjectOptions options)
    {
        InjectionSettings settings = InjectionSettings.Default;
        if (options.SettingsFile is { } file)
        {
            try
            {
                (InjectionSettings? read, string? problem) = SettingRow.Read(File.ReadAllText(file));
                if (read is null)
                {
                    return (null, $"--settings: {file}: {problem}");
                }

                settings = read;
            }
            catch (Exception error) when (error is IOException or UnauthorizedAccessException)
            {
                return (null, $"--settings: {error.Message}");
            }
        }

        // Each value was right when the command line was read.
        return (options.Given.Aggregate(settings, static (all, given) => given.Row.Take(all, JsonValue.Create(given.Value))!), null);
    }

    private static string Word(ManifestSeverity severity) => severity switch
    {
        ManifestSeverity.Error => "error",
        ManifestSeverity.Warning => "warning",
        _ => "note",
    };
}
