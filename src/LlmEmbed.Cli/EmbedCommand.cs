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
        Option<TableFormat?> format = CommonOptions.Format();
        Option<string?> textColumn = CommonOptions.TextColumn();
        Option<bool> json = CommonOptions.Json();
        EncoderArguments encoderArguments = new(Precision.Fp32); // what others compute with these features should be exact unless they say otherwise
        RuntimeArguments runtimeArguments = new();
        Command command = new("embed", "Write the pooled hidden states of texts to a safetensors file.")
        { backbone, data, output, format, textColumn };
        encoderArguments.AddTo(command);
        runtimeArguments.AddTo(command);
        command.Add(json);
        command.SetAction((parsed, cancellationToken) =>
        {
            string path = parsed.GetRequiredValue(output);
            CommonOptions.RefuseOverwriting(parsed.GetRequiredValue(data), path);
            if (!path.EndsWith(".safetensors", StringComparison.OrdinalIgnoreCase))
                throw new WrongUsageException($"--output is '{path}', expected a name that ends in .safetensors: that is what is written.");
            using TableReader table = terminal.OpenTable(parsed.GetRequiredValue(data), parsed.GetValue(format));
            int column = table.TextColumn(parsed.GetValue(textColumn));
            using TextEncoder encoder = ConsoleProgress.Show(terminal, progress => TextEncoder.Load(
                parsed.GetRequiredValue(backbone), encoderArguments.Read(parsed), runtimeArguments.Read(parsed), progress, cancellationToken));
            EncodingTotals totals = ConsoleProgress.Show(terminal, progress => Run(table, column, encoder, path, progress, cancellationToken));
            Print(terminal, encoder, path, totals, parsed.GetValue(json));
            return Task.FromResult(ExitCode.Success);
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

    private static void Print(Terminal terminal, TextEncoder encoder, string path, EncodingTotals totals, bool asJson)
    {
        foreach (string warning in encoder.Warnings) terminal.Error.WriteLine($"llmembed: {warning}");
        if (totals.OfSpecialTokens > 0)
            terminal.Error.WriteLine(
                $"llmembed: {totals.OfSpecialTokens:N0} of {totals.Texts:N0} texts are empty to the model: their states are those of its special " +
                "tokens.");
        if (asJson)
        {
            JsonObject summary = totals.ToJson();
            summary["output"] = path;
            summary["shape"] = new JsonArray(totals.Texts, encoder.Views.Count, encoder.HiddenSize);
            terminal.Output.WriteLine(summary.ToJsonString());
            return;
        }
        terminal.Output.WriteLine($"{path}: {totals.Texts:N0} texts × {encoder.Views.Count} views × {encoder.HiddenSize}");
        terminal.Output.WriteLine(totals.Describe(encoder.MaxTokens));
    }
}
