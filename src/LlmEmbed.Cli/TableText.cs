using System.Text.Json.Nodes;
using LlmEmbed.Data;

namespace LlmEmbed.Cli;

/// <summary>Says how a table was read, for people and as JSON.</summary>
internal static class TableText
{
    /// <summary>Notes on standard error, one line each.</summary>
    public static void PrintNotes(Terminal terminal, string source, IEnumerable<TableNote> notes)
    {
        foreach (TableNote note in notes) terminal.Error.WriteLine($"llmembed: note on {source}: {note.Message}");
    }

    /// <summary>How the file was read, on standard error, for commands whose standard output is data.</summary>
    public static void PrintDescription(Terminal terminal, TableDescription description) =>
        terminal.Error.WriteLine($"llmembed: {description.Source}: {description}");

    /// <summary>Which columns were taken, what was left out, and what else is to know, on standard output.</summary>
    public static void Print(Terminal terminal, UsedTexts used)
    {
        foreach (string line in LinesOf(used)) terminal.Output.WriteLine($"  {line}");
    }

    /// <summary>The same for a page that is about several tables.</summary>
    public static IReadOnlyList<string> ForPage(params IEnumerable<UsedTexts?> texts) =>
        [.. texts.OfType<UsedTexts>().Select(used => $"{used.Source}: {string.Join("; ", LinesOf(used))}")];

    private static IEnumerable<string> LinesOf(UsedTexts used) =>
    [
        $"{used.Table.Description}",
        .. used.Table.Skipped.Select(reason => $"{reason}").Concat(used.LeftOut).Select(reason => $"left out: {reason}"),
        .. used.Notes.Select(note => $"note: {note}"),
    ];

    /// <summary>A JSON object with entries that say how tables were read.</summary>
    public static string AddTo(string json, params ReadOnlySpan<(string Name, UsedTexts Texts)> tables)
    {
        JsonObject result = JsonNode.Parse(json)!.AsObject();
        foreach ((string name, UsedTexts used) in tables) result[name] = ToJson(used);
        return result.ToJsonString();
    }

    /// <summary>The same as JSON.</summary>
    public static JsonObject ToJson(UsedTexts used)
    {
        JsonObject json = ToJson(used.Table.Description with { Notes = used.Notes });
        json["examples"] = used.Examples.Count;
        json["skipped_rows"] = new JsonArray([.. used.Table.Skipped.Select(reason => new JsonObject
        {
            ["reason"] = CommonOptions.NameOf(reason.Reason),
            ["rows"] = reason.Rows,
            ["first_line"] = reason.FirstLine,
        })]);
        json["empty_texts"] = used.EmptyTexts;
        return json;
    }

    /// <summary>The same as JSON, of a table without labels.</summary>
    public static JsonObject ToJson(TableDescription description) => new()
    {
        ["source"] = description.Source,
        ["format"] = description.Layout.Format.Name,
        ["separator"] = description.Layout.Separator?.ToString(),
        ["quotes"] = description.Layout.HasQuotes is bool quotes ? CommonOptions.NameOf(quotes ? Quotes.Rfc4180 : Quotes.None) : null,
        ["compression"] = description.Layout.Compression,
        ["text_column"] = description.TextColumn,
        ["label_column"] = description.LabelColumn,
        ["notes"] = new JsonArray([.. description.Notes.Select(note => new JsonObject
        {
            ["kind"] = CommonOptions.NameOf(note.Kind),
            ["message"] = note.Message,
        })]),
    };
}
