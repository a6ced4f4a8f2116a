namespace Mesh.Cli;

/// <summary>One run of the program in this process.</summary>
internal sealed record Invocation(int Code, string Output, string Error)
{
    public static Invocation Of(params string[] arguments) => WithInput("", arguments);

    public static Invocation WithInput(string input, params string[] arguments) => Run(input, null, arguments);

    /// <summary>A run whose questions are answered by <paramref name="pages"/>.</summary>
    public static Invocation Asking(StubPages pages, params string[] arguments) => Run("", pages, arguments);

    private static Invocation Run(string input, HttpMessageHandler? http, string[] arguments)
    {
        using StringReader reader = new(input);
        using StringWriter output = new();
        using StringWriter error = new();
        int code = Application.Run(arguments, reader, output, error, http);
        return new Invocation(code, output.ToString(), error.ToString());
    }

    public string[] Lines => Output.Split('\n', StringSplitOptions.RemoveEmptyEntries);
}
