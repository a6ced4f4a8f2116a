using System.Text;

namespace Mesh.Cli.Reports;

/// <summary>Columns for people, as wide as they must be. Pure.</summary>
internal static class TextTable
{
    /// <summary>The titles and a line for each row, its notes indented below it.</summary>
    public static string Write(string[] titles, IReadOnlyList<(string[] Cells, IEnumerable<string> Notes)> rows)
    {
        int[] widths = [.. titles.Select((title, i) => rows.Select(r => r.Cells[i].Length).Append(title.Length).Max())];
        StringBuilder text = new();
        Append(titles);
        foreach ((string[] cells, IEnumerable<string> notes) in rows)
        {
            Append(cells);
            foreach (string note in notes)
            {
                text.Append("  ").Append(note).Append('\n');
            }
        }

        return text.ToString();

        void Append(string[] cells) => text.Append(string.Join("  ", cells.Select((cell, i) => cell.PadRight(widths[i]))).TrimEnd()).Append('\n');
    }
}
