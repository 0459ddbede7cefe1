using System.Globalization;
using System.Text;
using System.Text.Json;

namespace LlmEmbed.Tests.Cli;

/// <summary>Labelled texts that a small head can tell apart, the same ones in every run. Labels are awkward on purpose.</summary>
internal static class LabeledTexts
{
    private static readonly (string Label, string[] Words)[] Classes =
    [
        ("01", ["fine", "great", "warm", "bright"]),
        ("1", ["dull", "weak", "cold", "slow"]),
        ("naïve, \"x\"", ["round", "square", "long", "thin"]),
    ];

    /// <summary>Texts of all classes in turn; every third is quoted, with a line break, where the format is csv.</summary>
    public static (string Text, string Label)[] Take(int count) => Enumerable.Range(0, count).Select(i =>
    {
        (string label, string[] words) = Classes[i % Classes.Length];
        string end = i % 3 == 1 ? ",\nas they \"say\"" : "";
        return ($"a {words[i / 3 % 4]} and {words[i / 12 % 4]} story, number {i}{end}", label);
    }).ToArray();

    /// <summary>Texts that fill the fixtures' 64 positions, so that a few thousand keep the extraction busy for a while.</summary>
    public static (string Text, string Label)[] TakeLong(int count) =>
        Take(count).Select(row => ($"{row.Text} {string.Concat(Enumerable.Repeat("about the river and the sea ", 4))}", row.Label)).ToArray();

    /// <summary>Columns id, text, label and note.</summary>
    public static string Csv((string Text, string Label)[] rows)
    {
        StringBuilder csv = new("id,text,label,note\n");
        for (int i = 0; i < rows.Length; i++)
            csv.Append(CultureInfo.InvariantCulture, $"{i},{Quote(rows[i].Text)},{Quote(rows[i].Label)},note {i}\n");
        return csv.ToString();
    }

    /// <summary>The same columns; ids are numbers.</summary>
    public static string JsonLines((string Text, string Label)[] rows) =>
        string.Concat(
            rows.Select((row, i) => JsonSerializer.Serialize(new { id = i, text = row.Text, label = row.Label, note = $"note {i}" }) + "\n"));

    private static string Quote(string field) => $"\"{field.Replace("\"", "\"\"", StringComparison.Ordinal)}\"";
}
