using System.CommandLine;
using System.Globalization;
using System.Text.Json.Nodes;
using LlmEmbed.Data;
using LlmEmbed.Files;
using LlmEmbed.Recipes;
using LlmEmbed.Reports;

namespace LlmEmbed.Cli;

/// <summary>llmembed probe: which depths and poolings of the backbones carry what the labels ask for.</summary>
internal static class ProbeCommand
{
    private const int DefaultExamples = 2000;

    public static Command Create()
    {
        Option<string> data = new("--data") { Description = "Labelled texts: csv, tsv, jsonl or parquet with a text and a label column.", HelpName = "FILE", Required = true };
        Option<int?> examples = CommonOptions.Count("--examples", "N", $"Probe with a sample of N examples, the classes in their shares. Default: {DefaultExamples}.");
        Option<string?> svg = new("--svg") { Description = "Also draw accuracy over depth.", HelpName = "FILE.svg" };
        Option<string[]> backbones = CommonOptions.Backbones();
        Option<int> seed = new("--seed") { Description = "Seed of the sample and the folds. Default: 0.", HelpName = "N" };
        LabeledTableArguments tableArguments = new();
        Option<bool> json = CommonOptions.Json();
        EncoderArguments encoderArguments = new();
        Command command = new("probe", "Measure by cross-validation what each depth and pooling of the backbones is worth on labelled texts.") { data, examples, backbones, svg, seed };
        encoderArguments.AddTo(command);
        tableArguments.AddTo(command);
        command.Add(json);
        command.SetAction((parsed, cancellation) =>
        {
            LabeledTableOptions tableOptions = tableArguments.Read(parsed);
            EncoderOptions encoder = encoderArguments.Read(parsed);
            TrainingOptions options = new() { Encoder = encoder is { Depths: null, Poolings: null } ? encoder with { ViewsOf = CandidateViews.Of } : encoder, Seed = parsed.GetValue(seed) };
            if (parsed.GetValue(backbones) is { Length: > 0 } names) options = options with { Backbones = names };
            if (parsed.GetValue(svg) is string drawing) AtomicFile.RequireWritable(drawing);
            LabeledTable table = LabeledTableReader.ReadForTraining(parsed.GetRequiredValue(data), tableOptions);
            IReadOnlyList<LabeledText> sample = table.Sample(parsed.GetValue(examples) ?? DefaultExamples, options.Seed).Examples;

            IReadOnlyList<ViewProbe> probes = ConsoleProgress.Show(progress => DepthProbe.Run(sample, options, progress, cancellation));
            if (parsed.GetValue(json)) Console.WriteLine(ToJson(probes, sample.Count).ToJsonString());
            else Print(probes, sample.Count);
            if (parsed.GetValue(svg) is string path) AtomicFile.WriteText(path, DepthCurve.Draw(probes, chosen: []).Drawing.StandAlone($"Accuracy over depth, {sample.Count:N0} texts"));
            return Task.FromResult(ExitCode.Success);
        });
        return command;
    }

    private static void Print(IReadOnlyList<ViewProbe> probes, int texts)
    {
        Console.WriteLine($"Logistic regression on one view at a time, {texts:N0} texts, five-fold cross-validation (mean ± deviation of the folds)");
        foreach (IGrouping<(string, Pooling), ViewProbe> curve in probes.GroupBy(probe => (probe.View.Backbone, probe.View.Pooling)))
        {
            Console.WriteLine($"{curve.Key.Item1}, {PoolingNames.NameOf(curve.Key.Item2)}");
            Console.WriteLine("  depth   accuracy        macro-F1   log loss");
            foreach (ViewProbe probe in curve)
                Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"  {probe.View.Depth,5}   {100 * probe.Score.Accuracy,5:0.0} ± {100 * probe.Score.AccuracyDeviation,4:0.0} %   {100 * probe.Score.MacroF1,6:0.0} %   {probe.Score.CalibratedLogLoss,8:0.000}{(probe == probes.MinBy(p => p.Score.CalibratedLogLoss) ? "   least loss" : "")}"));
        }
    }

    private static JsonObject ToJson(IReadOnlyList<ViewProbe> probes, int texts) => new()
    {
        ["examples"] = texts,
        ["views"] = new JsonArray([.. probes.Select(probe => new JsonObject
        {
            ["backbone"] = probe.View.Backbone,
            ["depth"] = probe.View.Depth,
            ["pooling"] = PoolingNames.NameOf(probe.View.Pooling),
            ["accuracy"] = probe.Score.Accuracy,
            ["accuracy_deviation"] = probe.Score.AccuracyDeviation,
            ["macro_f1"] = probe.Score.MacroF1,
            ["log_loss"] = probe.Score.CalibratedLogLoss,
            ["c"] = probe.Score.C,
        })]),
    };
}
