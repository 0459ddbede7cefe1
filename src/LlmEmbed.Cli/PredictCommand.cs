using System.CommandLine;
using System.CommandLine.Parsing;
using System.Text.RegularExpressions;
using LlmEmbed.Data;

namespace LlmEmbed.Cli;

/// <summary>llmembed predict: classifies texts given as arguments, in a file or on standard input.</summary>
internal static partial class PredictCommand
{
    public static Command Create(Terminal terminal)
    {
        Argument<string> model = new("MODEL") { Description = "Folder that 'llmembed train' wrote." };
        Argument<string[]> texts = new("TEXT")
        {
            Description = "Texts to classify. Without them, and without --data, one text per line is read from standard input. Texts that " +
                "begin with a hyphen stand behind a -- of their own: predict MODEL -- \"-5 stars\".",
            Arity = ArgumentArity.ZeroOrMore,
        };
        Option<string?> data = new("--data")
        {
            Description = "csv, tsv, jsonl, parquet or txt; '-' is standard input. Other columns are carried through.",
            HelpName = "FILE",
        };
        TableArguments tableArguments = new();
        Option<string> output = new("--output")
        {
            Description =
                "csv, tsv, jsonl or parquet file, which appears when it is complete; '-' is standard output, chunk by chunk (the default).",
            HelpName = "FILE",
            DefaultValueFactory = _ => "-",
        };
        Option<TableFormat?> outputFormat = CommonOptions.Format(
            "--output-format", "csv, tsv, jsonl or parquet. Default: by the output's extension, jsonl for jsonl input, else csv.");
        Option<int?> top = CommonOptions.Count("--top", "K", "Also give the K most probable labels with their probabilities.");
        Option<bool> all = new("--all") { Description = "Also give the probability of every label." };
        RuntimeArguments runtimeArguments = new(keepsEmbeddings: false);
        ToolCommand command = new(terminal, "predict", "Classify texts, in their order, in constant memory.")
        {
            model, texts, data, output, outputFormat, top, all,
        };
        command.Files.Add(PathRole.Model, model);
        command.Files.Add(PathRole.Data, data);
        command.Files.Add(PathRole.Stream, output);
        tableArguments.AddTo(command);
        runtimeArguments.AddTo(command);
        command.Run((parsed, cancellationToken) =>
        {
            string[] given = parsed.GetValue(texts) ?? [];
            if (given.Length > 0 && parsed.GetValue(data) is not null)
                throw new WrongUsageException("Give texts as arguments or a file with --data, not both.");
            RefuseMistypedOptions(parsed, given);
            if (parsed.GetValue(all) && parsed.GetValue(top) is not null) throw new WrongUsageException("Give --top or --all, not both.");
            RuntimeOptions runtime = runtimeArguments.Read(terminal, parsed);
            using TextClassifier classifier = ConsoleProgress.Show(
                terminal, progress => TextClassifier.Load(parsed.GetRequiredValue(model), runtime, progress, cancellationToken));
            using TableReader? table = given.Length > 0 ? null : OpenTable(terminal, parsed.GetValue(data), tableArguments, parsed);
            // Found before the output is opened: a wrong name must not empty a file.
            int column = table is null ? 0 : table.TextColumn(tableArguments.TextColumn(parsed));
            if (table is not null && parsed.GetValue(data) is not null) TableText.PrintDescription(terminal, table.Describe(column));
            PredictionColumns columns = new(table?.Columns ?? ["text"], classifier.Labels, parsed.GetValue(top) ?? 1, parsed.GetValue(all));
            using TableWriter writer = OpenOutput(terminal, parsed.GetRequiredValue(output), parsed.GetValue(outputFormat), table, columns);
            PredictionCounts counts = new();
            if (table is null)
            {
                Classify(classifier, given.Select(text => (text, (IReadOnlyList<TableValue>)[text])), columns, writer, counts, cancellationToken);
            }
            else
            {
                Classify(
                    classifier, table.Rows().Select(row => (table.Text(row, column) ?? "", row.Fields)), columns, writer, counts, cancellationToken);
            }
            writer.Commit();
            counts.Print(terminal.Error);
            if (writer.ReplacedCharacters > 0)
            {
                terminal.Error.WriteLine(
                    $"llmembed: {writer.ReplacedCharacters:N0} characters U+0000, which csv and tsv cannot hold, were written as U+FFFD; " +
                    "--output-format jsonl or parquet keeps them.");
            }
            if (table is not null) TableText.PrintNotes(terminal, table.Source, table.Notes);
            return ExitCode.Success;
        });
        return command;
    }

    private static void Classify(
        TextClassifier classifier,
        IEnumerable<(string Text, IReadOnlyList<TableValue> Fields)> rows,
        PredictionColumns columns,
        TableWriter writer,
        PredictionCounts counts,
        CancellationToken cancellationToken)
    {
        // Where the output fails, what is read and computed ahead has nobody to wait for it.
        using CancellationTokenSource stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        foreach (
            (
                (string Text, IReadOnlyList<TableValue> Fields)[] chunk,
                IReadOnlyList<Prediction> predictions) in classifier.Predict(rows, row => row.Text, stop.Token))
        {
            try
            {
                foreach ((Prediction prediction, (_, IReadOnlyList<TableValue> fields)) in predictions.Zip(chunk))
                    writer.Write([.. fields, .. columns.Values(prediction)]);
                writer.Flush();
            }
            catch
            {
                stop.Cancel();
                throw;
            }
            counts.Add(predictions);
        }
    }

    /// <summary>A word that looks like an option and is none would be classified in silence.</summary>
    private static void RefuseMistypedOptions(ParseResult parsed, string[] texts)
    {
        IEnumerable<string> words = parsed.Tokens.TakeWhile(token => token.Type != TokenType.DoubleDash).Select(token => token.Value);
        if (words.FirstOrDefault(word => LooksLikeOption().IsMatch(word) && texts.Contains(word, StringComparer.Ordinal)) is { } word)
            throw new WrongUsageException($"'{word}' is no option of predict. If it is a text, put -- before the texts: predict MODEL -- \"{word}\"");
    }

    [GeneratedRegex("^--[a-z][a-z-]*(=.*)?$", RegexOptions.Singleline | RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex LooksLikeOption();

    private static TableReader OpenTable(Terminal terminal, string? path, TableArguments arguments, ParseResult parsed) =>
        terminal.OpenTable(path ?? "-", arguments.Read(parsed, path is null or "-" ? TableFormat.Lines : null));

    private static TableWriter OpenOutput(
        Terminal terminal, string path, TableFormat? format, TableReader? table, PredictionColumns columns)
    {
        if (!CommandFiles.IsStandardOutput(terminal, path)) return TableWriter.Create(path, columns.Names, format, columns.Numbers);
        TableFormat ofInput = table?.Layout.Format == TableFormat.JsonLines ? TableFormat.JsonLines : TableFormat.Csv;
        return TableWriter.Create(terminal.OpenOutput(), columns.Names, format ?? ofInput, columns.Numbers);
    }

    /// <summary>Rows that deserve a word at the end.</summary>
    private sealed class PredictionCounts
    {
        private long _rows;
        private long _empty;
        private long _truncated;

        public void Add(IReadOnlyList<Prediction> predictions)
        {
            _rows += predictions.Count;
            _empty += predictions.Count(prediction => prediction.IsEmpty);
            _truncated += predictions.Count(prediction => prediction.IsTruncated);
        }

        public void Print(TextWriter error)
        {
            if (_empty > 0) error.WriteLine($"llmembed: {_empty:N0} of {_rows:N0} texts are empty or gave no token; their label is empty.");
            if (_truncated > 0)
                error.WriteLine($"llmembed: {_truncated:N0} of {_rows:N0} texts were longer than the model's maximum and were truncated.");
        }
    }
}
