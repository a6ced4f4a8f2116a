using System.Text;

namespace Mesh.Cli.Explaining;

/// <summary>Text in two columns: a label and what belongs to it.</summary>
/// <param name="width">Width of the labels.</param>
internal sealed class Block(int width)
{
    private readonly StringBuilder _text = new();

    /// <summary>A line from the margin.</summary>
    public Block Line(string text)
    {
        _text.Append(text.TrimEnd()).Append('\n');
        return this;
    }

    /// <summary>A label and its text, with further texts below it; nothing when there is none.</summary>
    public Block Row(string label, params IEnumerable<string?> texts)
    {
        foreach (string text in texts.OfType<string>().Where(static t => t.Length > 0))
        {
            Line($"  {label.PadRight(width)}{text}");
            label = "";
        }

        return this;
    }

    /// <inheritdoc/>
    public override string ToString() => _text.ToString();
}
