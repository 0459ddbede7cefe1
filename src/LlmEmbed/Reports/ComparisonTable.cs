using System.Globalization;
using System.Text.Json.Nodes;
using LlmEmbed.Comparison;

namespace LlmEmbed.Reports;

/// <summary>The comparison of methods as tables and as JSON.</summary>
internal static class ComparisonTable
{
    public const string SharesHeading = "What auto takes, as a share of what prompts of the same decoder take for the same test texts";

    public static string[] Remarks() =>
    [
        "p: McNemar's exact test against auto. Intervals: bootstrap over test texts (1,000 draws); with ±, the mean and deviation of several seeds.",
        string.Create(
            CultureInfo.InvariantCulture,
            $"Reading: training and test texts together; training and prediction include it, on {Environment.ProcessorCount} processors; " +
            $"{CostMeter.EnergySource}."),
    ];

    public static Table Of(IReadOnlyList<ComparisonRow> rows) => new(
        [
            "method",
            "accuracy (95 % interval)",
            "macro-F1",
            "calibration error",
            "p",
            "reading",
            "training",
            "prediction per text",
            "energy",
            "parameters",
            "tokens",
            "features",
        ],
        FirstNumber: 1,
        [.. rows.Select(row => Cells(row, rows[^1].Report.Count))]);

    /// <summary>The ratios that the paper's abstract states; null if nothing was prompted.</summary>
    public static Table? Shares(IReadOnlyList<ComparisonRow> rows) => SharesOf(rows) is { Length: > 0 } shares
        ? new Table(
            [
                "auto against",
                "parameters",
                "electricity of prediction",
                "runtime of prediction",
                "electricity, training included",
                "runtime, training included",
            ],
            FirstNumber: 1,
            [
                .. shares.Select(share => (string[])
                [
                    share.Method,
                    Share(share.Parameters),
                    Share(share.Energy),
                    Share(share.Runtime),
                    Share(share.EnergyWithTraining),
                    Share(share.RuntimeWithTraining),
                ]),
            ])
        : null;

    public static string ToMarkdown(string title, ComparisonResult result)
    {
        string[] lines =
        [
            $"{title}.",
            "",
            $"Overlap: {result.Overlap}.",
            "",
            .. ToMarkdown(Of(result.Rows)),
            "",
            .. Shares(result.Rows) is { } shares ? [SharesHeading, "", .. ToMarkdown(shares), ""] : Array.Empty<string>(),
            .. Remarks(),
            "",
            .. result.Rows.Select(row => $"- {row.Method}: {HeadSentences.NoteOf(row)}"),
            .. result.LeftOut.Select(reason => $"- left out: {reason}"),
        ];
        return string.Join(Environment.NewLine, lines) + Environment.NewLine;
    }

    public static JsonObject ToJson(ComparisonResult result) => new()
    {
        ["energy"] = CostMeter.MeasuresEnergy ? "measured" : "estimated",
        ["auto_cost_shares"] = new JsonArray([.. SharesOf(result.Rows).Select(share => new JsonObject
        {
            ["method"] = share.Method,
            ["parameters"] = share.Parameters,
            ["energy"] = share.Energy,
            ["runtime"] = share.Runtime,
            ["energy_with_training"] = share.EnergyWithTraining,
            ["runtime_with_training"] = share.RuntimeWithTraining,
        })]),
        ["overlap"] = result.Overlap.ToJsonObject(),
        ["left_out"] = new JsonArray([.. result.LeftOut.Select(reason => (JsonNode)reason)]),
        ["methods"] = new JsonArray([.. result.Rows.Select(ToJson)]),
    };

    private static JsonObject ToJson(ComparisonRow row) => new()
    {
        ["method"] = row.Method,
        ["note"] = HeadSentences.NoteOf(row),
        ["accuracy"] = row.Report.Accuracy,
        ["accuracy_low"] = row.Accuracy.Low,
        ["accuracy_high"] = row.Accuracy.High,
        ["seed_accuracies"] = new JsonArray([.. row.SeedAccuracies.Select(value => (JsonNode)value)]),
        ["macro_f1"] = row.Report.MacroF1,
        ["macro_f1_low"] = row.MacroF1.Low,
        ["macro_f1_high"] = row.MacroF1.High,
        ["ece"] = row.Report.ExpectedCalibrationError,
        ["measured_texts"] = row.Predicted.Count,
        ["prediction_cost"] = row.Sample is null ? "measured" : "computed",
        ["p_against_auto"] = row.PAgainstAuto,
        ["parameters"] = row.Cost.Parameters,
        ["tokens"] = row.Cost.Tokens,
        ["feature_bytes"] = row.Cost.FeatureBytes,
        ["reading_seconds"] = row.Cost.ReadingSeconds,
        ["training"] = ToJson(row.Cost.Training),
        ["prediction"] = ToJson(row.Cost.Prediction),
    };

    private static JsonObject ToJson(Cost cost) => new() { ["seconds"] = cost.Seconds, ["cpu_seconds"] = cost.CpuSeconds, ["joules"] = cost.Joules };

    private static IEnumerable<string> ToMarkdown(Table table) =>
    [
        $"| {string.Join(" | ", table.Columns)} |",
        string.Concat(table.Columns.Select(_ => "|---")) + "|",
        .. table.Rows.Select(row => $"| {string.Join(" | ", row)} |"),
    ];

    private static CostShare[] SharesOf(IReadOnlyList<ComparisonRow> rows) =>
        [.. rows.Where(row => row.IsPrompted).Select(row => CostShare.Of(rows[^1], row))];

    private static string[] Cells(ComparisonRow row, int testTexts)
    {
        string accuracy = row.SeedAccuracies.Count == 1
            ? Percent(row.Report.Accuracy)
            : $"{Percent(row.SeedAccuracies.Average())} ± {Percent(Deviation(row.SeedAccuracies))}";
        string p = row.PAgainstAuto is double value ? value < 0.0001 ? "< 0.0001" : Markup.Format(value, "0.0000") : "";
        string computed = row.Sample is null ? "" : " (computed)";
        return
        [
            row.Method,
            $"{accuracy} ({Percent(row.Accuracy.Low)} to {Percent(row.Accuracy.High)})",
            $"{Percent(row.Report.MacroF1)} ({Percent(row.MacroF1.Low)} to {Percent(row.MacroF1.High)})",
            Percent(row.Report.ExpectedCalibrationError),
            p,
            $"{Markup.Format(row.Cost.ReadingSeconds, "0.0")} s",
            $"{Markup.Format(row.Cost.Training.Seconds, "0.0")} s",
            $"{Markup.Format(1000 * row.Cost.Prediction.Seconds / testTexts, "0.00")} ms{computed}",
            $"{Markup.Format((row.Cost.Training + row.Cost.Prediction).Joules, "N0")} J{computed}",
            $"{Markup.Format(row.Cost.Parameters / 1e6, "0.0")} M",
            Markup.Format(row.Cost.Tokens, "N0"),
            $"{Markup.Format(row.Cost.FeatureBytes / 1e6, "0.0")} MB",
        ];
    }

    private static string Share(double share) => Markup.Format(100 * share, "0.00") + " %";

    private static string Percent(double share) => Markup.Format(100 * share, "0.0");

    private static double Deviation(IReadOnlyList<double> values)
    {
        double mean = values.Average();
        return Math.Sqrt(values.Sum(value => (value - mean) * (value - mean)) / (values.Count - 1));
    }
}
