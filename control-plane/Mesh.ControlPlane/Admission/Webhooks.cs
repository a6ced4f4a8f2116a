using Mesh.ControlPlane.Certificates;
using Mesh.ControlPlane.Hosting;
using Mesh.ControlPlane.Store;
using Mesh.Injection;
using Microsoft.Extensions.Logging;

namespace Mesh.ControlPlane.Admission;

/// <summary>Puts the webhooks of one process together.</summary>
internal static class Webhooks
{
    /// <summary>The listener; start and dispose it.</summary>
    /// <param name="options">Options with <c>--webhook-listen</c>.</param>
    /// <param name="settings">Settings of injected sidecars.</param>
    /// <param name="rules">Rules in force.</param>
    /// <param name="certificates">The certificate of each handshake.</param>
    /// <param name="runtime">Clock and log.</param>
    public static WebhookServer Create(
        ServeOptions options, InjectionSettings settings, IRuleStore rules, IServerCertificates certificates, (TimeProvider Time, ILoggerProvider Log) runtime) =>
        new(options.WebhookListen!, certificates, new InjectionWebhook(settings), new RuleWebhook(rules), runtime);

    /// <summary>What <c>--injection-settings</c> names, or the defaults; or what is wrong with it.</summary>
    public static (InjectionSettings? Settings, string? Problem) ReadSettings(ServeOptions options)
    {
        if (options.InjectionSettings is not { } file)
        {
            return (InjectionSettings.Default, null);
        }

        try
        {
            (InjectionSettings? settings, string? problem) = SettingRow.Read(File.ReadAllText(file));
            return (settings, problem is null ? null : $"--injection-settings: {file}: {problem}");
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return (null, $"--injection-settings: {error.Message}");
        }
    }
}
