using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using Mesh.Load.Running;

namespace Mesh.Load.CommandLine;

/// <summary>Reads siege's options and ours. A dash that a word processor made longer counts as a dash.</summary>
internal sealed class CommandParser
{
    /// <summary>Text of <c>--help</c>.</summary>
    public const string Usage = """
        usage: mesh-load [options] 'URL [METHOD BODY]'

          -c, --concurrent N       users, each one call at a time (1); with --rate: most calls at a time (512)
          -t, --time 10S|1M|1H     end after this time (10S unless -r or -n is given; no unit: minutes)
          -r, --reps N             end after N calls of each user
          -n, --total N            end after N calls in total
          -d, --delay SECONDS      pause of each user between calls, random up to it; -b, --benchmark: no pause
              --rate RPS           open loop: calls are due at this rate whatever the answers do
          -H, --header 'NAME: V'   add a header; may be repeated
          -T, --content-type T     content type of the body
              --proxy URL          send calls through this HTTP proxy
              --timeout SECONDS    a call without an answer by then is an error (30)
          -v, --verbose            a line for each call
              --json FILE          write the report as JSON
        """;

    private static readonly Dictionary<string, char> LongNames = new(StringComparer.Ordinal)
    {
        ["concurrent"] = 'c', ["time"] = 't', ["reps"] = 'r', ["total"] = 'n', ["delay"] = 'd', ["benchmark"] = 'b', ["rate"] = 'R',
        ["header"] = 'H', ["content-type"] = 'T', ["proxy"] = 'P', ["timeout"] = 'O', ["verbose"] = 'v', ["json"] = 'J',
    };

    private readonly List<KeyValuePair<string, string>> _headers = [];
    private LoadOptions _options = new() { Url = new Uri("http://unset") };
    private string? _target;
    private int? _users;
    private bool _isVerbose;
    private string? _jsonFile;
    private string _error = "";

    /// <summary>Reads <paramref name="args"/>; a mistake is a sentence in <paramref name="error"/>.</summary>
    public static Command? Parse(IReadOnlyList<string> args, out string error)
    {
        CommandParser parser = new();
        Command? command = parser.Read(args);
        error = parser._error;
        return command;
    }

    private Command? Read(IReadOnlyList<string> args)
    {
        for (int i = 0; i < args.Count; i++)
        {
            if (!IsOption(args[i]))
            {
                _target = _target is null ? args[i] : $"{_target} {args[i]}";
            }
            else if (!ReadOption(args, ref i))
            {
                return null;
            }
        }

        if (_target is null)
        {
            return Fail("name what to call, for example 'http://orders:8080/orders POST {\"productId\":2,\"quantity\":1}'");
        }

        return ReadTarget(_target) is { } url
            ? new Command(_options with { Url = url, Headers = _headers, Users = _users ?? (_options.Rate is null ? 1 : 512) }, _isVerbose, _jsonFile)
            : null;
    }

    private static bool IsOption(string arg) => arg.Length > 1 && IsDash(arg[0]);

    private static bool IsDash(char c) => c is '-' or '\u2010' or '\u2011' or '\u2012' or '\u2013' or '\u2014' or '\u2212';

    private bool ReadOption(IReadOnlyList<string> args, ref int i)
    {
        string arg = args[i];
        string bare = arg.TrimStart('-', '\u2010', '\u2011', '\u2012', '\u2013', '\u2014', '\u2212');
        int equals = bare.IndexOf('=', StringComparison.Ordinal);
        string name = equals < 0 ? bare : bare[..equals];
        bool mayBeLong = arg.Length - bare.Length > 1 || arg[0] != '-';
        if (mayBeLong && LongNames.TryGetValue(name, out char letter))
        {
            return Flag(letter) || (Value(args, ref i, equals < 0 ? "" : bare[(equals + 1)..], out string? value) && Take(letter, $"--{name}", value));
        }

        if (arg.StartsWith("--", StringComparison.Ordinal) || !"ctrndbHTv".Contains(bare[..1], StringComparison.Ordinal))
        {
            return Wrong($"unknown option '{arg}'; see --help");
        }

        if (Flag(bare[0]))
        {
            // Flags may be joined: -vb, -vc2.
            return bare.Length == 1 || ReadOption([$"-{bare[1..]}", .. args.Skip(i + 1)], ref i, args);
        }

        return Value(args, ref i, bare[1..], out string? attached) && Take(bare[0], $"-{bare[0]}", attached);
    }

    private bool ReadOption(IReadOnlyList<string> rest, ref int i, IReadOnlyList<string> all)
    {
        int used = 0;
        bool isRead = ReadOption(rest, ref used);
        i = Math.Min(i + used, all.Count - 1);
        return isRead;
    }

    private bool Flag(char letter)
    {
        switch (letter)
        {
            case 'v':
                return _isVerbose = true;
            case 'b':
                _options = _options with { Delay = TimeSpan.Zero };
                return true;
            default:
                return false;
        }
    }

    private bool Value(IReadOnlyList<string> args, ref int i, string attached, [NotNullWhen(true)] out string? value)
    {
        value = attached.Length > 0 ? attached : i + 1 < args.Count ? args[++i] : null;
        return value is not null || Wrong($"{args[i]} needs a value; see --help");
    }

    private bool Take(char letter, string name, string value)
    {
        switch (letter)
        {
            case 'c' when int.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out int users) && users is > 0 and <= 10_000:
                _users = users;
                return true;
            case 't' when SiegeTime.TryParse(value, out TimeSpan time):
                _options = _options with { Duration = time };
                return true;
            case 'r' when (value == "once" ? 1 : Count(value)) is > 0 and int reps:
                _options = _options with { Repetitions = reps };
                return true;
            case 'n' when Count(value) is > 0 and int total:
                _options = _options with { Total = total };
                return true;
            case 'd' when Number(value) is >= 0 and <= 3600 and double pause:
                _options = _options with { Delay = TimeSpan.FromSeconds(pause) };
                return true;
            case 'R' when Number(value) is > 0 and <= 1_000_000 and double rate:
                _options = _options with { Rate = rate };
                return true;
            case 'O' when Number(value) is > 0 and <= 3600 and double timeout:
                _options = _options with { Timeout = TimeSpan.FromSeconds(timeout) };
                return true;
            case 'H' when value.IndexOf(':', StringComparison.Ordinal) is > 0 and int colon:
                _headers.Add(new(value[..colon].Trim(), value[(colon + 1)..].Trim()));
                return true;
            case 'T' when System.Net.Http.Headers.MediaTypeHeaderValue.TryParse(value, out _):
                _options = _options with { ContentType = value };
                return true;
            case 'P' when Uri.TryCreate(value, UriKind.Absolute, out Uri? proxy) && proxy.Scheme == "http":
                _options = _options with { Proxy = proxy };
                return true;
            case 'J':
                _jsonFile = value;
                return true;
            default:
                return Wrong($"{name}: '{value}' is not right; see --help");
        }
    }

    private static int? Count(string text) => int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int count) ? count : null;

    private static double? Number(string text) =>
        double.TryParse(text, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out double number) ? number : null;

    private Uri? ReadTarget(string target)
    {
        string[] parts = target.Split(' ', 3, StringSplitOptions.RemoveEmptyEntries);
        string address = parts[0].Contains("://", StringComparison.Ordinal) ? parts[0] : $"http://{parts[0]}";
        if (!Uri.TryCreate(address, UriKind.Absolute, out Uri? url) || url.Scheme is not ("http" or "https"))
        {
            _error = $"'{parts[0]}' is no http:// address";
            return null;
        }

        if (parts.Length > 1)
        {
            if (!parts[1].All(char.IsAsciiLetterUpper))
            {
                _error = $"'{parts[1]}' is no method; write 'URL POST BODY'";
                return null;
            }

            _options = _options with { Method = new HttpMethod(parts[1]), Body = parts.Length > 2 ? parts[2] : null };
        }

        return url;
    }

    private bool Wrong(string error)
    {
        _error = error;
        return false;
    }

    private Command? Fail(string error)
    {
        _error = error;
        return null;
    }
}
