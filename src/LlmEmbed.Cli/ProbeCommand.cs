using System.CommandLine;
using LlmEmbed.Data;
using LlmEmbed.Files;
using LlmEmbed.Reading;
using LlmEmbed.Recipes;
using LlmEmbed.Reports;

namespace LlmEmbed.Cli;

/// <summary>llmembed probe: which depths and poolings of the backbones carry what the labels ask for.</summary>
internal static class ProbeCommand
{
    private const int DefaultExamples = 2000;

    public static Command Create(Terminal terminal)
    {
        Option<string> data = new("--data")
        {
            Description = "Labelled texts: csv, tsv, jsonl or parquet with a text and a label column.",
            HelpName = "FILE",
            Required = true,
        };
        Option<int?> examples = CommonOptions.Count(
            "--examples", "N", $"Probe with a sample of N examples, the classes in their shares. Default: {DefaultExamples}.");
        Option<string?> svg = new("--svg") { Description = "Also draw accuracy over depth.", HelpName = "FILE.svg" };
        Option<string[]> backbones = CommonOptions.Backbones();
        Option<int> seed = new("--seed") { Description = "Seed of the sample and the folds. Default: 0.", HelpName = "N" };
        LabeledTableArguments tableArguments = new();
        Option<bool> json = CommonOptions.Json();
        EncoderArguments encoderArguments = new();
        RuntimeArguments runtimeArguments = new();
        Command command = new("probe", "Measure by cross-validation what each depth and pooling of the backbones is worth on labelled texts.")
        {
            data, examples, backbones, svg, seed,
        };
        encoderArguments.AddTo(command);
        runtimeArguments.AddTo(command);
        tableArguments.AddTo(command);
        command.Add(json);
        command.SetAction((parsed, cancellationToken) =>
        {
            ProbeOptions options = new() { Encoder = encoderArguments.Read(parsed), Seed = parsed.GetValue(seed) };
            if (parsed.GetValue(backbones) is { Length: > 0 } names) options = options with { Backbones = names };
            if (parsed.GetValue(svg) is string drawing) AtomicFile.RequireWritable(drawing);
            LabeledTable table = tableArguments.ReadForTraining(terminal, parsed.GetRequiredValue(data), parsed);
            using OpenBackbones open = new(runtimeArguments.Read(parsed));
            Recipe.Automatic recipe = new() { Backbones = options.Backbones };
            UsedTexts used = UsedTexts.Of(
                table.Sample(parsed.GetValue(examples) ?? DefaultExamples, options.Seed),
                tableArguments.BadRowsOf(parsed),
                texts => TextClassifier.FindEmptyTexts(texts, recipe, open.Runtime, cancellationToken),
                isForTraining: true);
            foreach (string reason in used.LeftOut) terminal.Error.WriteLine($"llmembed: left out of {used.Source}: {reason}");
            IReadOnlyList<LabeledText> sample = used.Examples;
            ProbeReport report = new(
                ConsoleProgress.Show(terminal, progress => DepthProbe.Run(sample, options, open, progress, cancellationToken)), sample.Count);
            terminal.Output.WriteLine(parsed.GetValue(json) ? report.ToJson() : report.ToString());
            if (parsed.GetValue(svg) is string path) report.SaveSvg(path);
            return Task.FromResult(ExitCode.Success);
        });
        return command;
    }
}
