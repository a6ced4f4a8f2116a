using System.ComponentModel;
using System.Diagnostics;
using System.Globalization;
using Mesh.Proxy.Transport;
using Mesh.Sidecar.Options;

namespace Mesh.Sidecar.Interception;

/// <summary>Runs <c>init</c>: reads the tables of both families, and changes each in one transaction of <c>iptables-restore</c>.</summary>
/// <param name="options">What to capture.</param>
/// <param name="output">Says what was done.</param>
/// <param name="errors">Says what the machine refused.</param>
internal sealed class InitCommand(InitOptions options, TextWriter output, TextWriter errors)
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30); // another one may hold the lock of the tables

    /// <summary>0 when the tables are as asked, 1 when the machine refused.</summary>
    public async Task<int> RunAsync()
    {
        if (!await ChangeAsync("iptables", isIPv6: false))
        {
            return 1;
        }

        // A kernel without IPv6, or with IPv6 switched off, has nothing to capture there.
        return !HasIPv6() || (await ChangeAsync("ip6tables", isIPv6: true) && await ChangeLoopbackAsync()) ? 0 : 1;
    }

    private static bool HasIPv6()
    {
        const string Switch = "/proc/sys/net/ipv6/conf/lo/disable_ipv6";
        return File.Exists("/proc/net/if_inet6") && !(File.Exists(Switch) && File.ReadAllText(Switch).StartsWith('1'));
    }

    private async Task<bool> ChangeAsync(string tool, bool isIPv6)
    {
        if (await RunAsync($"{tool}-save", ["-t", "nat"], "") is not { } nat || await RunAsync($"{tool}-save", ["-t", "mangle"], "") is not { } mangle)
        {
            return false;
        }

        string text = new NatRules(options, isIPv6).Apply(nat) + new MangleRules(options, isIPv6).Apply(mangle);
        if (options.IsDryRun)
        {
            await output.WriteAsync($"# {tool}-restore --noflush\n{text}");
            await ChangeRouteAsync(isIPv6);
            return true;
        }

        if (!await ChangeRouteAsync(isIPv6))
        {
            return false;
        }

        if (text.Length > 0 && await RunAsync($"{tool}-restore", ["--noflush", "--wait", "10"], text) is null)
        {
            return false;
        }

        await output.WriteLineAsync($"{tool}: {(options.IsClean ? "rules are gone" : "traffic goes through the sidecar")}");
        return true;
    }

    // Without the mark's rules the route leads nothing anywhere: only TPROXY mode has it, and a change to REDIRECT takes it away.
    private async Task<bool> ChangeRouteAsync(bool isIPv6)
    {
        bool isRemoved = options.IsClean || options.Mode != InterceptionMode.Tproxy;
        string family = isIPv6 ? "-6" : "-4";
        if (options.IsDryRun)
        {
            string verb = isRemoved ? "del" : "add";
            string text = string.Create(CultureInfo.InvariantCulture, $"""
                # ip {family} route {verb} local default dev lo table {MarkedRoute.Table}
                # ip {family} rule {verb} fwmark {MangleRules.InboundMark} lookup {MarkedRoute.Table} priority {MarkedRoute.RulePriority}
                """);
            await output.WriteLineAsync(text);
            return true;
        }

        return MarkedRoute.Change(isIPv6, isRemoved) is not { } refusal || await RefusedAsync($"policy route, ip {family}", refusal);
    }

    private async Task<bool> ChangeLoopbackAsync()
    {
        if (options.IsDryRun)
        {
            await output.WriteLineAsync($"# ip address {(options.IsClean ? "del" : "add")} ::6/128 dev lo");
            return true;
        }

        return LoopbackAddress.Change(options.IsClean) is not { } refusal || await RefusedAsync("address ::6 on loopback", refusal);
    }

    private async Task<bool> RefusedAsync(string what, string refusal)
    {
        await errors.WriteLineAsync($"{what}: {refusal} (it needs the capability NET_ADMIN)");
        return false;
    }

    private async Task<string?> RunAsync(string tool, string[] arguments, string input)
    {
        ProcessStartInfo start = new(tool, arguments) { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true };
        try
        {
            using Process process = Process.Start(start)!;
            Task<string> said = process.StandardOutput.ReadToEndAsync();
            Task<string> wrong = process.StandardError.ReadToEndAsync();
            await process.StandardInput.WriteAsync(input);
            process.StandardInput.Close();
            await process.WaitForExitAsync().WaitAsync(Patience);
            if (process.ExitCode == 0)
            {
                return await said;
            }

            await errors.WriteLineAsync($"{tool}: {(await wrong).Trim().ReplaceLineEndings("; ")} (it needs the capabilities NET_ADMIN and NET_RAW)");
        }
        catch (Exception error) when (error is Win32Exception or IOException or TimeoutException)
        {
            await errors.WriteLineAsync($"{tool}: {error.Message}");
        }

        return null;
    }
}
