using System.CommandLine;
using System.Text.Json.Nodes;
using LlmEmbed.Data;
using LlmEmbed.Files;

namespace LlmEmbed.Cli;

/// <summary>llmembed embed: writes pooled hidden states for other tools.</summary>
internal static class EmbedCommand
{
    /// <summary>Texts read, encoded and written at a time, so that memory does not grow with the file.</summary>
    private const int ChunkTexts = 4096;

    public static Command Create()
    {
        Option<string> backbone = CommonOptions.Backbone();
        Option<string> data = new("--data") { Description = "Texts: csv, tsv, jsonl, parquet or txt; '-' is standard input.", HelpName = "FILE", Required = true };
        Option<string> output = new("--output") { Description = "File to write: tensors 'embeddings' F32 [N,D,H] and 'depths' I64 [D].", HelpName = "FILE.safetensors", Required = true };
        Option<TableFormat?> format = CommonOptions.Format();
        Option<string?> textColumn = CommonOptions.TextColumn();
        Option<bool> json = CommonOptions.Json();
        EncoderArguments encoderArguments = new(Precision.Fp32); // what others compute with these features should be exact unless they say otherwise
        Command command = new("embed", "Write the pooled hidden states of texts to a safetensors file.") { backbone, data, output, format, textColumn };
        encoderArguments.AddTo(command);
        command.Add(json);
        command.SetAction((parsed, cancellation) =>
        {
            string path = parsed.GetRequiredValue(output);
            CommonOptions.RefuseOverwriting(parsed.GetRequiredValue(data), path);
            if (!path.EndsWith(".safetensors", StringComparison.OrdinalIgnoreCase)) throw new WrongUsageException($"--output is '{path}', expected a name that ends in .safetensors: that is what is written.");
            using TableReader table = TableReader.Open(parsed.GetRequiredValue(data), parsed.GetValue(format));
            int column = TableColumns.Text(table, parsed.GetValue(textColumn));
            using TextEncoder encoder = TextEncoder.Load(parsed.GetRequiredValue(backbone), encoderArguments.Read(parsed));
            EncodingTotals totals = ConsoleProgress.Show(progress => Run(table, column, encoder, path, progress, cancellation));
            Print(encoder, path, totals, parsed.GetValue(json));
            return Task.FromResult(ExitCode.Success);
        });
        return command;
    }

    private static EncodingTotals Run(TableReader table, int column, TextEncoder encoder, string path, IProgress<WorkProgress> progress, CancellationToken cancellation)
    {
        EncodingTotals totals = new();
        Dictionary<string, string> metadata = new(StringComparer.Ordinal)
        {
            ["backbone"] = encoder.Name,
            ["poolings"] = string.Join(' ', encoder.Views.Select(view => PoolingNames.NameOf(view.Pooling))),
        };
        using SafetensorsWriter writer = SafetensorsWriter.Create(
            path,
            metadata,
            new SafetensorsLayout("depths", "I64"),
            new SafetensorsLayout("embeddings", "F32", encoder.Views.Count, encoder.HiddenSize));
        writer.Append<long>("depths", encoder.Views.Select(view => (long)view.Depth).ToArray());
        foreach ((TableRow[] rows, TextEmbeddings embeddings) in ChunkPipeline.Run(
            table.Rows().Chunk(ChunkTexts),
            chunk => encoder.Prepare([.. chunk.Select(row => table.Text(row, column) ?? "")], cancellation),
            texts => encoder.Encode(texts, progress, cancellation),
            cancellation))
        {
            if (embeddings.Statistics.TextsWithoutTokens is [int first, ..])
                throw table.Error(rows[first].LineNumber, $"the text gives no token, so row {totals.Texts + first + 1} has no embedding. Remove the row or give it a text.");
            writer.Append("embeddings", embeddings.Values);
            totals.Add(embeddings.Statistics);
        }
        writer.Commit();
        return totals;
    }

    private static void Print(TextEncoder encoder, string path, EncodingTotals totals, bool asJson)
    {
        if (asJson)
        {
            JsonObject summary = totals.ToJson();
            summary["output"] = path;
            summary["shape"] = new JsonArray(totals.Texts, encoder.Views.Count, encoder.HiddenSize);
            Console.WriteLine(summary.ToJsonString());
            return;
        }
        Console.WriteLine($"{path}: {totals.Texts:N0} texts × {encoder.Views.Count} views × {encoder.HiddenSize}");
        Console.WriteLine(totals.Describe(encoder.MaxTokens));
    }
}
