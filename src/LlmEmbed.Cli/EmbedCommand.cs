using System.CommandLine;
using System.Text.Json.Nodes;
using LlmEmbed.Data;
using LlmEmbed.Reading;

namespace LlmEmbed.Cli;

/// <summary>llmembed embed: writes pooled hidden states for other tools.</summary>
internal static class EmbedCommand
{
    public static Command Create(Terminal terminal)
    {
        Option<string> backbone = CommonOptions.Backbone();
        Option<string> data = new("--data")
        {
            Description = "Texts: csv, tsv, jsonl, parquet or txt; '-' is standard input.",
            HelpName = "FILE",
            Required = true,
        };
        Option<string> output = new("--output")
        {
            Description = "File to write: tensors 'embeddings' F32 [N,D,H] and 'depths' I64 [D].",
            HelpName = "FILE.safetensors",
            Required = true,
        };
        TableArguments tableArguments = new();
        Option<bool> json = CommonOptions.Json();
        EncoderArguments encoderArguments = new(Precision.Fp32); // what others compute with these features should be exact unless they say otherwise
        RuntimeArguments runtimeArguments = new();
        ToolCommand command = new(terminal, "embed", "Write the pooled hidden states of texts to a safetensors file.")
        { backbone, data, output };
        command.Files.Add(PathRole.Model, backbone);
        command.Files.Add(PathRole.Data, data);
        command.Files.Add(PathRole.File, output);
        tableArguments.AddTo(command);
        encoderArguments.AddTo(command);
        runtimeArguments.AddTo(command);
        command.Add(json);
        command.Run((parsed, cancellationToken) =>
        {
            string path = parsed.GetRequiredValue(output);
            if (!path.EndsWith(".safetensors", StringComparison.OrdinalIgnoreCase))
                throw new WrongUsageException($"--output is '{path}', expected a name that ends in .safetensors: that is what is written.");
            RuntimeOptions runtime = runtimeArguments.Read(terminal, parsed);
            using TableReader table = terminal.OpenTable(parsed.GetRequiredValue(data), tableArguments.Read(parsed));
            int column = table.TextColumn(tableArguments.TextColumn(parsed));
            using TextEncoder encoder = ConsoleProgress.Show(terminal, progress => TextEncoder.Load(
                parsed.GetRequiredValue(backbone), encoderArguments.Read(parsed), runtime, progress, cancellationToken));
            EncodingTotals totals = ConsoleProgress.Show(terminal, progress => Run(table, column, encoder, path, progress, cancellationToken));
            Print(terminal, encoder, path, totals, table.Describe(column), parsed.GetValue(json));
            return ExitCode.Success;
        });
        return command;
    }

    private static EncodingTotals Run(
        TableReader table, int column, TextEncoder encoder, string path, IProgress<WorkProgress> progress, CancellationToken cancellationToken)
    {
        EncodingTotals totals = new();
        using EmbeddingFile file = EmbeddingFile.Create(path, encoder);
        foreach (
            (TableRow[] rows, TextEmbeddings embeddings) in encoder.Encode(
                table.Rows(), row => table.Text(row, column) ?? "", progress, cancellationToken))
        {
            if (embeddings.Statistics.TextsWithoutTokens is [int first, ..])
                throw table.ErrorAt(
                    rows[first], $"the text gives no token, so row {totals.Texts + first + 1} has no embedding. Remove the row or give it a text.");
            file.Append(embeddings);
            totals.Add(embeddings.Statistics);
        }
        file.Commit();
        return totals;
    }

    private static void Print(Terminal terminal, TextEncoder encoder, string path, EncodingTotals totals, TableDescription description, bool asJson)
    {
        foreach (string warning in encoder.Warnings) terminal.Error.WriteLine($"llmembed: {warning}");
        if (totals.OfSpecialTokens > 0)
            terminal.Error.WriteLine(
                $"llmembed: {totals.OfSpecialTokens:N0} of {totals.Texts:N0} texts are empty to the model: their states are those of its special " +
                "tokens.");
        if (asJson)
        {
            JsonObject summary = totals.ToJson();
            summary["data"] = TableText.ToJson(description);
            summary["output"] = path;
            summary["precision"] = CommonOptions.NameOf(encoder.Precision);
            if (encoder.PrecisionReason.Length > 0) summary["precision_reason"] = encoder.PrecisionReason;
            summary["shape"] = new JsonArray(totals.Texts, encoder.Views.Count, encoder.HiddenSize);
            terminal.Output.WriteLine(summary.ToJsonString());
            return;
        }
        TableText.PrintNotes(terminal, description.Source, description.Notes);
        terminal.Output.WriteLine($"{description.Source}: {description}");
        terminal.Output.WriteLine($"{path}: {totals.Texts:N0} texts × {encoder.Views.Count} views × {encoder.HiddenSize}");
        if (encoder.PrecisionReason.Length > 0)
            terminal.Output.WriteLine($"{encoder.Name}: {CommonOptions.NameOf(encoder.Precision)} ({encoder.PrecisionReason})");
        terminal.Output.WriteLine(totals.Describe(encoder.MaxTokens));
    }
}
