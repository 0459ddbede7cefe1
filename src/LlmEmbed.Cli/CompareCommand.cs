using System.CommandLine;
using System.Globalization;
using System.Text.Json.Nodes;
using LlmEmbed.Comparison;
using LlmEmbed.Data;
using LlmEmbed.Files;
using LlmEmbed.Reports;

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
        Option<int?> promptedTexts = CommonOptions.Count("--prompted-texts", "N", "Test texts, a stratified sample, on which zero-shot and few-shot prompts are measured. Default: 500.");
        Option<int?> reasonedTexts = CommonOptions.Count("--reasoned-texts", "N", "Test texts on which chain of thought is measured. Default: 50.");
        Option<int?> reasoningTokens = CommonOptions.Count("--reasoning-tokens", "N", "The longest chain of thought. Default: 256.");
        Option<bool> noPrompting = new("--no-prompting") { Description = "Leave out zero-shot, few-shot and chain-of-thought prompts of the decoder." };
        Option<bool> noWords = CommonOptions.NoWords();
        Option<bool> noAttention = CommonOptions.NoAttention();
        Option<string?> report = CommonOptions.Report();
        LabeledTableArguments tableArguments = new();
        Option<bool> json = CommonOptions.Json();
        EncoderArguments encoderArguments = new();
        Command command = new("compare", "Compare the default recipe with baselines, the released LLMEmbed recipe and prompts: quality, uncertainty, cost.")
        {
            data, test, output, report, examples, backbones, seeds, seed, promptedTexts, reasonedTexts, reasoningTokens, noPrompting, noWords, noAttention,
        };
        encoderArguments.AddTo(command);
        tableArguments.AddTo(command);
        command.Add(json);
        command.SetAction((parsed, cancellation) =>
        {
            LabeledTableOptions tableOptions = tableArguments.Read(parsed);
            TrainingOptions training = new() { Encoder = encoderArguments.Read(parsed), UseWords = !parsed.GetValue(noWords), UseAttention = !parsed.GetValue(noAttention), Seed = parsed.GetValue(seed) };
            if (parsed.GetValue(backbones) is { Length: > 0 } names) training = training with { Backbones = names };
            PromptingOptions prompting = new();
            prompting = prompting with
            {
                Texts = parsed.GetValue(promptedTexts) ?? prompting.Texts,
                ReasonedTexts = parsed.GetValue(reasonedTexts) ?? prompting.ReasonedTexts,
                ReasoningTokens = parsed.GetValue(reasoningTokens) ?? prompting.ReasoningTokens,
            };
            ComparisonOptions options = new() { Training = training, Prompting = parsed.GetValue(noPrompting) ? null : prompting };
            if (parsed.GetValue(seeds) is int count) options = options with { Seeds = count };
            foreach (string file in new[] { parsed.GetValue(output), parsed.GetValue(report) }.OfType<string>()) AtomicFile.RequireWritable(file);
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
            Console.Write(parsed.GetValue(json) ? ToJson(rows, leftOut).ToJsonString() + Environment.NewLine : table);
            if (parsed.GetValue(output) is string path) AtomicFile.WriteText(path, table);
            if (parsed.GetValue(report) is string page) AtomicFile.WriteText(page, ComparisonPage.ToHtml($"Methods compared: {title}", rows, ToTable(rows), SharesTable(rows) is { } shares ? (SharesHeading, shares) : null, [.. Remarks(), .. leftOut.Select(reason => $"Left out: {reason}.")]));
            return Task.FromResult(ExitCode.Success);
        });
        return command;
    }

    private const string SharesHeading = "What auto takes, as a share of what prompts of the same decoder take for the same test texts";

    private static string Title(int examples, LabeledTable train, LabeledTable test, int classes) =>
        $"{examples:N0} training texts{(examples < train.Examples.Count ? $" of {train.Examples.Count:N0}" : "")}, {test.Examples.Count:N0} test texts, {classes} classes";

    private static string[] Remarks() =>
    [
        "p: McNemar's exact test against auto. Intervals: bootstrap over test texts (1,000 draws); with ±, the mean and deviation of several seeds.",
        string.Create(CultureInfo.InvariantCulture, $"Reading: training and test texts together; training and prediction include it, on {Environment.ProcessorCount} processors; {CostMeter.EnergySource}."),
    ];

    private static Table ToTable(IReadOnlyList<ComparisonRow> rows) => new(
        ["method", "accuracy (95 % interval)", "macro-F1", "calibration error", "p", "reading", "training", "prediction per text", "energy", "parameters", "tokens", "features"],
        FirstNumber: 1,
        [.. rows.Select(row => ToCells(row, rows[^1].Report.Count))]);

    private static string ToMarkdown(string title, IReadOnlyList<ComparisonRow> rows, List<string> leftOut)
    {
        Table table = ToTable(rows);
        string[] lines =
        [
            $"{title}.",
            "",
            .. ToMarkdown(table),
            "",
            .. SharesTable(rows) is { } shares ? [SharesHeading, "", .. ToMarkdown(shares), ""] : Array.Empty<string>(),
            .. Remarks(),
            "",
            .. rows.Select(row => $"- {row.Method}: {row.Note}"),
            .. leftOut.Select(reason => $"- left out: {reason}"),
        ];
        return string.Join(Environment.NewLine, lines) + Environment.NewLine;
    }

    private static IEnumerable<string> ToMarkdown(Table table) =>
    [
        $"| {string.Join(" | ", table.Columns)} |",
        string.Concat(table.Columns.Select(_ => "|---")) + "|",
        .. table.Rows.Select(row => $"| {string.Join(" | ", row)} |"),
    ];

    /// <summary>The ratios that the paper's abstract states; null where nothing was prompted.</summary>
    private static Table? SharesTable(IReadOnlyList<ComparisonRow> rows) => SharesOf(rows) is { Length: > 0 } shares
        ? new Table(
            ["auto against", "parameters", "electricity of prediction", "runtime of prediction", "electricity, training included", "runtime, training included"],
            FirstNumber: 1,
            [.. shares.Select(share => (string[])[share.Method, Share(share.Parameters), Share(share.Energy), Share(share.Runtime), Share(share.EnergyWithTraining), Share(share.RuntimeWithTraining)])])
        : null;

    private static CostShare[] SharesOf(IReadOnlyList<ComparisonRow> rows) => [.. rows.Where(row => row.IsPrompted).Select(row => CostShare.Of(rows[^1], row))];

    private static string[] ToCells(ComparisonRow row, int testTexts)
    {
        string accuracy = row.SeedAccuracies.Count == 1
            ? Percent(row.Report.Accuracy)
            : $"{Percent(row.SeedAccuracies.Average())} ± {Percent(Deviation(row.SeedAccuracies))}";
        string p = row.PAgainstAuto is double value ? value < 0.0001 ? "< 0.0001" : Number(value, "0.0000") : "";
        string computed = row.Sample is null ? "" : " (computed)";
        return
        [
            row.Method,
            $"{accuracy} ({Percent(row.Accuracy.Low)} to {Percent(row.Accuracy.High)})",
            $"{Percent(row.Report.MacroF1)} ({Percent(row.MacroF1.Low)} to {Percent(row.MacroF1.High)})",
            Percent(row.Report.ExpectedCalibrationError),
            p,
            $"{Number(row.Cost.ReadingSeconds, "0.0")} s",
            $"{Number(row.Cost.Training.Seconds, "0.0")} s",
            $"{Number(1000 * row.Cost.Prediction.Seconds / testTexts, "0.00")} ms{computed}",
            $"{Number((row.Cost.Training + row.Cost.Prediction).Joules, "N0")} J{computed}",
            $"{Number(row.Cost.Parameters / 1e6, "0.0")} M",
            Number(row.Cost.Tokens, "N0"),
            $"{Number(row.Cost.FeatureBytes / 1e6, "0.0")} MB",
        ];
    }

    private static JsonObject ToJson(IReadOnlyList<ComparisonRow> rows, List<string> leftOut) => new()
    {
        ["energy"] = CostMeter.MeasuresEnergy ? "measured" : "estimated",
        ["auto_cost_shares"] = new JsonArray([.. SharesOf(rows).Select(share => new JsonObject
        {
            ["method"] = share.Method,
            ["parameters"] = share.Parameters,
            ["energy"] = share.Energy,
            ["runtime"] = share.Runtime,
            ["energy_with_training"] = share.EnergyWithTraining,
            ["runtime_with_training"] = share.RuntimeWithTraining,
        })]),
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
            ["measured_texts"] = row.Predicted.Length,
            ["prediction_cost"] = row.Sample is null ? "measured" : "computed",
            ["p_against_auto"] = row.PAgainstAuto,
            ["parameters"] = row.Cost.Parameters,
            ["tokens"] = row.Cost.Tokens,
            ["feature_bytes"] = row.Cost.FeatureBytes,
            ["reading_seconds"] = row.Cost.ReadingSeconds,
            ["training"] = ToJson(row.Cost.Training),
            ["prediction"] = ToJson(row.Cost.Prediction),
        })]),
    };

    private static JsonObject ToJson(Cost cost) => new() { ["seconds"] = cost.Seconds, ["cpu_seconds"] = cost.CpuSeconds, ["joules"] = cost.Joules };

    private static string Share(double share) => (100 * share).ToString("0.00", CultureInfo.InvariantCulture) + " %";

    private static string Percent(double share) => (100 * share).ToString("0.0", CultureInfo.InvariantCulture);

    private static string Number(double value, string format) => value.ToString(format, CultureInfo.InvariantCulture);

    private static double Deviation(IReadOnlyList<double> values)
    {
        double mean = values.Average();
        return Math.Sqrt(values.Sum(value => (value - mean) * (value - mean)) / (values.Count - 1));
    }
}
