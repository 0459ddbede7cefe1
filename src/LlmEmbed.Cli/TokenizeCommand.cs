using System.CommandLine;
using System.Text.Json;
using LlmEmbed.Data;
using LlmEmbed.Tokenization;

namespace LlmEmbed.Cli;

/// <summary>llmembed tokenize: shows the ids and tokens that a backbone would see.</summary>
internal static class TokenizeCommand
{
    public static Command Create(Terminal terminal)
    {
        Option<string> backbone = CommonOptions.Backbone();
        Option<string> data = new("--data")
        {
            Description = "JSON lines with a text column (csv, tsv, parquet and lines work too); '-' is standard input.",
            HelpName = "FILE",
            DefaultValueFactory = _ => "-",
        };
        TableArguments tableArguments = new();
        Option<bool> noSpecialTokens = new("--no-special-tokens") { Description = "Leave out the tokens that the model adds around a text." };
        Option<int?> maxTokens = CommonOptions.Count("--max-tokens", "N", "Cut texts to N tokens, special tokens included. Default: no limit.");
        Option<string[]> models = CommonOptions.ModelFolders();
        ToolCommand command = new(
            terminal,
            "tokenize",
            "Print the token ids of each text as one JSON line: {\"ids\": [...], \"tokens\": [...]}. A folder with only tokenizer files is enough.")
        {
            backbone, data, noSpecialTokens, maxTokens, models,
        };
        command.Files.Add(PathRole.Model, backbone);
        command.Files.Add(PathRole.Data, data);
        command.Files.Add(PathRole.Models, models);
        tableArguments.AddTo(command);
        command.Run((parsed, cancellation) =>
        {
            Tokenizer tokenizer = Tokenizer.Load(parsed.GetRequiredValue(backbone), parsed.GetValue(models));
            string path = parsed.GetRequiredValue(data);
            using TableReader table = terminal.OpenTable(path, tableArguments.Read(parsed, path == "-" ? TableFormat.JsonLines : null));
            int column = table.TextColumn(tableArguments.TextColumn(parsed));
            Run(
                terminal,
                tokenizer,
                table,
                column,
                parsed.GetValue(maxTokens),
                !parsed.GetValue(noSpecialTokens),
                cancellation);
            TableDescription description = table.Describe(column);
            if (path != "-") TableText.PrintDescription(terminal, description);
            TableText.PrintNotes(terminal, description.Source, description.Notes);
            return ExitCode.Success;
        });
        return command;
    }

    private static void Run(
        Terminal terminal, Tokenizer tokenizer, TableReader table, int column, int? maxTokens, bool addSpecialTokens, CancellationToken cancellation)
    {
        using Stream output = terminal.OpenOutput();
        using Utf8JsonWriter json = new(
            output, new JsonWriterOptions { Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping });
        foreach (TableRow row in table.Rows())
        {
            cancellation.ThrowIfCancellationRequested();
            TokenizedText tokens = tokenizer.Encode(table.Text(row, column) ?? "", maxTokens, addSpecialTokens);
            json.WriteStartObject();
            json.WriteStartArray("ids");
            foreach (int id in tokens.Ids) json.WriteNumberValue(id);
            json.WriteEndArray();
            json.WriteStartArray("tokens");
            foreach (int id in tokens.Ids) json.WriteStringValue(tokenizer.TokenText(id));
            json.WriteEndArray();
            json.WriteEndObject();
            json.Flush();
            json.Reset();
            output.WriteByte((byte)'\n');
        }
    }
}
