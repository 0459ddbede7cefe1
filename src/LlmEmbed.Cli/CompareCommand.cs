using System.CommandLine;
using System.Globalization;
using System.Text.Json.Nodes;
using LlmEmbed.Comparison;
using LlmEmbed.Data;
using LlmEmbed.Reports;
using LlmEmbed.Storage;

namespace LlmEmbed.Cli;

/// <summary>llmembed compare: the default recipe beside baselines and the released recipe, on the user's texts, with uncertainty and cost.</summary>
internal static class CompareCommand
{
    public static Command Create()
    {
        Option<string> data = new("--data") { Description = "Labelled texts to train on.", HelpName = "FILE", Required = true };
        Option<string> test = new("--test") { Description = "Labelled texts to measure on; no choice looks at them.", HelpName = "FILE", Required = true };
        Option<string?> output = new("--output") { Description = "Also write the table as Markdown.", HelpName = "FILE.md" };
        Option<string[]> backbones = CommonOptions.Backbones();
        Option<int?> examples = CommonOptions.Examples();
        Option<int?> seeds = CommonOptions.Count("--seeds", "N", "Trainings of each method in which chance plays a part. Default: 5.");
        Option<int> seed = new("--seed") { Description = "The first seed. Default: 0.", HelpName = "N" };
        Option<string?> report = CommonOptions.Report();
        LabeledTableArguments tableArguments = new();
        Option<bool> json = CommonOptions.Json();
        EncoderArguments encoderArguments = new();
        Command command = new("compare", "Compare the default recipe with baselines and the released LLMEmbed recipe: quality, uncertainty, cost.") { data, test, output, report, examples, backbones, seeds, seed };
        encoderArguments.AddTo(command);
        tableArguments.AddTo(command);
        command.Add(json);
        command.SetAction((parsed, cancellation) =>
        {
            LabeledTableOptions tableOptions = tableArguments.Read(parsed);
            TrainingOptions training = new() { Encoder = encoderArguments.Read(parsed), Seed = parsed.GetValue(seed) };
            if (parsed.GetValue(backbones) is { Length: > 0 } names) training = training with { Backbones = names };
            ComparisonOptions options = new() { Training = training };
            if (parsed.GetValue(seeds) is int count) options = options with { Seeds = count };
            LabeledTable train = LabeledTableReader.ReadForTraining(parsed.GetRequiredValue(data), tableOptions);
            LabeledTable held = LabeledTableReader.Read(parsed.GetRequiredValue(test), tableOptions);

            IReadOnlyList<LabeledText> sample = train.Sample(parsed.GetValue(examples), training.Seed).Examples;
            (IReadOnlyList<ComparisonRow> rows, List<string> leftOut) = ConsoleProgress.Show(progress =>
            {
                using MethodComparison comparison = new(sample, held.Examples, options, progress, cancellation);
                return (comparison.Run(), comparison.LeftOut);
            });
            string title = Title(sample.Count, train, held, rows[0].Report.Classes.Count);
            string table = ToMarkdown(title, rows, leftOut);
            if (parsed.GetValue(output) is string path) AtomicFile.WriteText(path, table);
            if (parsed.GetValue(report) is string page) AtomicFile.WriteText(page, ComparisonPage.ToHtml($"Methods compared: {title}", rows, ToTable(rows), [.. Remarks(), .. leftOut.Select(reason => $"Left out: {reason}.")]));
            Console.Write(parsed.GetValue(json) ? ToJson(rows, leftOut).ToJsonString() + Environment.NewLine : table);
            return Task.FromResult(ExitCode.Success);
        });
        return command;
    }

    private static string Title(int examples, LabeledTable train, LabeledTable test, int classes) =>
        $"{examples:N0} training texts{(examples < train.Examples.Count ? $" of {train.Examples.Count:N0}" : "")}, {test.Examples.Count:N0} test texts, {classes} classes";

    private static string[] Remarks() =>
    [
        "p: McNemar's exact test against auto. Intervals: bootstrap over test texts (1,000 draws); with ±, the mean and deviation of several seeds.",
        string.Create(CultureInfo.InvariantCulture, $"Training and prediction include reading the texts, on {Environment.ProcessorCount} processors; {CostMeter.EnergySource}."),
    ];

    private static Table ToTable(IReadOnlyList<ComparisonRow> rows) => new(
        ["method", "accuracy (95 % interval)", "macro-F1", "calibration error", "p", "training", "prediction per text", "energy", "parameters", "tokens", "features"],
        FirstNumber: 1,
        [.. rows.Select(ToCells)]);

    private static string ToMarkdown(string title, IReadOnlyList<ComparisonRow> rows, List<string> leftOut)
    {
        Table table = ToTable(rows);
        string[] lines =
        [
            $"{title}.",
            "",
            $"| {string.Join(" | ", table.Columns)} |",
            string.Concat(table.Columns.Select(_ => "|---")) + "|",
            .. table.Rows.Select(row => $"| {string.Join(" | ", row)} |"),
            "",
            .. Remarks(),
            "",
            .. rows.Select(row => $"- {row.Method}: {row.Note}"),
            .. leftOut.Select(reason => $"- left out: {reason}"),
        ];
        return string.Join(Environment.NewLine, lines) + Environment.NewLine;
    }

    private static string[] ToCells(ComparisonRow row)
    {
        string accuracy = row.SeedAccuracies.Count == 1
            ? Percent(row.Report.Accuracy)
            : $"{Percent(row.SeedAccuracies.Average())} ± {Percent(Deviation(row.SeedAccuracies))}";
        string p = row.PAgainstAuto is double value ? value < 0.0001 ? "< 0.0001" : Number(value, "0.0000") : "";
        return
        [
            row.Method,
            $"{accuracy} ({Percent(row.Accuracy.Low)} to {Percent(row.Accuracy.High)})",
            $"{Percent(row.Report.MacroF1)} ({Percent(row.MacroF1.Low)} to {Percent(row.MacroF1.High)})",
            Percent(row.Report.ExpectedCalibrationError),
            p,
            $"{Number(row.Cost.Training.Seconds, "0.0")} s",
            $"{Number(1000 * row.Cost.Prediction.Seconds / row.Report.Count, "0.00")} ms",
            $"{Number((row.Cost.Training + row.Cost.Prediction).Joules, "N0")} J",
            $"{Number(row.Cost.Parameters / 1e6, "0.0")} M",
            Number(row.Cost.Tokens, "N0"),
            $"{Number(row.Cost.FeatureBytes / 1e6, "0.0")} MB",
        ];
    }

    private static JsonObject ToJson(IReadOnlyList<ComparisonRow> rows, List<string> leftOut) => new()
    {
        ["energy"] = CostMeter.MeasuresEnergy ? "measured" : "estimated",
        ["left_out"] = new JsonArray([.. leftOut.Select(reason => (JsonNode)reason)]),
        ["methods"] = new JsonArray([.. rows.Select(row => new JsonObject
        {
            ["method"] = row.Method,
            ["note"] = row.Note,
            ["accuracy"] = row.Report.Accuracy,
            ["accuracy_low"] = row.Accuracy.Low,
            ["accuracy_high"] = row.Accuracy.High,
            ["seed_accuracies"] = new JsonArray([.. row.SeedAccuracies.Select(value => (JsonNode)value)]),
            ["macro_f1"] = row.Report.MacroF1,
            ["macro_f1_low"] = row.MacroF1.Low,
            ["macro_f1_high"] = row.MacroF1.High,
            ["ece"] = row.Report.ExpectedCalibrationError,
            ["p_against_auto"] = row.PAgainstAuto,
            ["parameters"] = row.Cost.Parameters,
            ["tokens"] = row.Cost.Tokens,
            ["feature_bytes"] = row.Cost.FeatureBytes,
            ["training"] = ToJson(row.Cost.Training),
            ["prediction"] = ToJson(row.Cost.Prediction),
        })]),
    };

    private static JsonObject ToJson(Cost cost) => new() { ["seconds"] = cost.Seconds, ["cpu_seconds"] = cost.CpuSeconds, ["joules"] = cost.Joules };

    private static string Percent(double share) => (100 * share).ToString("0.0", CultureInfo.InvariantCulture);

    private static string Number(double value, string format) => value.ToString(format, CultureInfo.InvariantCulture);

    private static double Deviation(IReadOnlyList<double> values)
    {
        double mean = values.Average();
        return Math.Sqrt(values.Sum(value => (value - mean) * (value - mean)) / (values.Count - 1));
    }
}
