using System.CommandLine;
using LlmEmbed.Data;

namespace LlmEmbed.Cli;

/// <summary>llmembed predict: classifies texts given as arguments, in a file or on standard input.</summary>
internal static class PredictCommand
{
    public static Command Create()
    {
        Argument<string> model = new("MODEL") { Description = "Folder that 'llmembed train' wrote." };
        Argument<string[]> texts = new("TEXT") { Description = "Texts to classify. Without them, and without --data, one text per line is read from standard input.", Arity = ArgumentArity.ZeroOrMore };
        Option<string?> data = new("--data") { Description = "csv, tsv, jsonl, parquet or txt; '-' is standard input. Other columns are carried through.", HelpName = "FILE" };
        Option<TableFormat?> format = CommonOptions.Format();
        Option<string?> textColumn = CommonOptions.TextColumn();
        Option<string> output = new("--output") { Description = "csv, tsv or jsonl file; '-' is standard output (the default).", HelpName = "FILE", DefaultValueFactory = _ => "-" };
        Option<TableFormat?> outputFormat = CommonOptions.Format("--output-format", "csv, tsv or jsonl. Default: by the output's extension, jsonl for jsonl input, else csv.");
        Option<int?> top = CommonOptions.Count("--top", "K", "Also give the K most probable labels with their probabilities.");
        Option<bool> all = new("--all") { Description = "Also give the probability of every label." };
        Option<string?> cache = CommonOptions.Cache();
        cache.Description = "Folder that keeps embeddings. Default: none, so that a stream of any length needs constant memory.";
        Option<string[]> models = CommonOptions.ModelFolders();
        Option<long?> memory = CommonOptions.Memory();
        Option<int?> threads = CommonOptions.Threads();
        Command command = new("predict", "Classify texts, in their order, in constant memory.")
        {
            model, texts, data, textColumn, format, output, outputFormat, top, all, cache, models, memory, threads,
        };
        command.SetAction((parsed, cancellation) =>
        {
            string[] given = parsed.GetValue(texts) ?? [];
            if (given.Length > 0 && parsed.GetValue(data) is not null) throw new WrongUsageException("Give texts as arguments or a file with --data, not both.");
            CommonOptions.RefuseOverwriting(parsed.GetValue(data), parsed.GetRequiredValue(output));
            if (parsed.GetValue(all) && parsed.GetValue(top) is not null) throw new WrongUsageException("Give --top or --all, not both.");
            using TextClassifier classifier = TextClassifier.Load(parsed.GetRequiredValue(model), new ClassifierOptions
            {
                CacheFolder = CommonOptions.CacheFolder(parsed.GetValue(cache), fallback: null),
                WeightsFolder = CommonOptions.CacheFolder(parsed.GetValue(cache), CommonOptions.DefaultCache),
                ModelFolders = parsed.GetValue(models) ?? [],
                MemoryBytes = parsed.GetValue(memory),
                Threads = parsed.GetValue(threads),
            });
            using TableReader? table = given.Length > 0 ? null : OpenTable(parsed.GetValue(data), parsed.GetValue(format));
            // Found before the output is opened: a wrong name must not empty a file.
            int column = table is null ? 0 : TableColumns.Text(table, parsed.GetValue(textColumn));
            PredictionColumns columns = PredictionColumns.Choose(
                table, classifier.Labels, parsed.GetValue(all) ? classifier.Labels.Count : parsed.GetValue(top), parsed.GetValue(all));
            using TableWriter writer = OpenOutput(parsed.GetRequiredValue(output), parsed.GetValue(outputFormat), table, columns.Names);
            PredictionCounts counts = new();
            if (table is null)
            {
                Classify(classifier, given.Select(text => (text, (IReadOnlyList<TableValue>)[text])), columns, writer, counts, cancellation);
            }
            else
            {
                Classify(classifier, table.Rows().Select(row => (table.Text(row, column) ?? "", row.Fields)), columns, writer, counts, cancellation);
            }
            counts.Print();
            return Task.FromResult(ExitCode.Success);
        });
        return command;
    }

    private static void Classify(
        TextClassifier classifier, IEnumerable<(string Text, IReadOnlyList<TableValue> Fields)> rows, PredictionColumns columns, TableWriter writer, PredictionCounts counts, CancellationToken cancellation)
    {
        foreach (((string Text, IReadOnlyList<TableValue> Fields)[] chunk, (IReadOnlyList<Prediction> predictions, IReadOnlyList<EncodingStatistics> statistics)) in ChunkPipeline.Run(
            TextClassifier.InChunks(rows, row => row.Text),
            chunk => classifier.Prepare([.. chunk.Select(row => row.Text)], cancellation),
            request => classifier.Predict(request, cancellation),
            cancellation))
        {
            foreach ((Prediction prediction, (_, IReadOnlyList<TableValue> fields)) in predictions.Zip(chunk)) writer.Write([.. fields, .. columns.Values(prediction)]);
            writer.Flush();
            counts.Add(predictions, statistics);
        }
    }

    private static TableReader OpenTable(string? path, TableFormat? format) => TableReader.Open(path ?? "-", format ?? (path is null or "-" ? TableFormat.Lines : null));

    private static TableWriter OpenOutput(string path, TableFormat? format, TableReader? table, IReadOnlyList<string> columns)
    {
        TableFormat? chosen = format is not null ? format
            : path != "-" ? null
            : table?.Format == TableFormat.JsonLines ? TableFormat.JsonLines
            : TableFormat.Csv;
        return TableWriter.Create(path, columns, chosen);
    }

    /// <summary>Rows that deserve a word at the end.</summary>
    private sealed class PredictionCounts
    {
        private long _rows;
        private long _empty;
        private long _truncated;

        public void Add(IReadOnlyList<Prediction> predictions, IReadOnlyList<EncodingStatistics> statistics)
        {
            _rows += predictions.Count;
            _empty += predictions.Count(prediction => prediction.IsEmpty);
            _truncated += statistics.Max(part => part.TruncatedTexts);
        }

        public void Print()
        {
            if (_empty > 0) Console.Error.WriteLine($"llmembed: {_empty:N0} of {_rows:N0} texts are empty or gave no token; their label is empty.");
            if (_truncated > 0) Console.Error.WriteLine($"llmembed: {_truncated:N0} of {_rows:N0} texts were longer than the model's maximum and were truncated.");
        }
    }
}
