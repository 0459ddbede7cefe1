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
        Option<bool> noAttention = new("--no-attention")
        {
            Description = "Only probe poolings that are fixed. By default one whose weights of tokens are learned is probed at each depth too; " +
                "with --depths or --pooling only what they name is.",
        };
        Option<int> seed = new("--seed") { Description = "Seed of the sample and the folds. Default: 0.", HelpName = "N" };
        LabeledTableArguments tableArguments = new();
        Option<bool> json = CommonOptions.Json();
        EncoderArguments encoderArguments = new();
        RuntimeArguments runtimeArguments = new();
        ToolCommand command = new(
            terminal, "probe", "Measure by cross-validation what each depth and pooling of the backbones is worth on labelled texts.")
        {
            data, examples, backbones, noAttention, svg, seed,
        };
        command.Files.Add(PathRole.Data, data);
        command.Files.Add(PathRole.Model, backbones, new ProbeOptions().Backbones);
        command.Files.Add(PathRole.File, svg);
        encoderArguments.AddTo(command);
        runtimeArguments.AddTo(command);
        tableArguments.AddTo(command);
        command.Add(json);
        command.Run((parsed, cancellationToken) =>
        {
            ProbeOptions options = new()
            {
                Encoder = encoderArguments.Read(parsed),
                UseAttention = !parsed.GetValue(noAttention),
                Seed = parsed.GetValue(seed),
            };
            if (parsed.GetValue(backbones) is { Length: > 0 } names) options = options with { Backbones = names };
            if (parsed.GetValue(svg) is string drawing) AtomicFile.RequireWritable(drawing);
            RuntimeOptions runtime = runtimeArguments.Read(terminal, parsed);
            LabeledTable table = tableArguments.ReadForTraining(terminal, parsed.GetRequiredValue(data), parsed);
            using OpenBackbones open = new(runtime);
            Recipe.Automatic recipe = new() { Backbones = options.Backbones };
            UsedTexts used = UsedTexts.Of(
                table.Sample(parsed.GetValue(examples) ?? DefaultExamples, options.Seed),
                tableArguments.BadRowsOf(parsed),
                CommonOptions.EmptyTextsOf(terminal, recipe, open, cancellationToken),
                isForTraining: true);
            IReadOnlyList<LabeledText> sample = used.Examples;
            ProbeReport report = new(
                ConsoleProgress.Show(terminal, progress => DepthProbe.Run(sample, options, open, progress, cancellationToken)), sample.Count);
            foreach (string warning in open.Warnings) terminal.Error.WriteLine($"llmembed: {warning}");
            if (parsed.GetValue(json)) terminal.Output.WriteLine(TableText.AddTo(report.ToJson(), ("data", used)));
            else Print(terminal, report, used);
            if (parsed.GetValue(svg) is string path) report.SaveSvg(path);
            return ExitCode.Success;
        });
        return command;
    }

    private static void Print(Terminal terminal, ProbeReport report, UsedTexts used)
    {
        terminal.Output.WriteLine($"{used.Source}: {used.Examples.Count:N0} texts");
        TableText.Print(terminal, used);
        terminal.Output.WriteLine(report.ToString());
    }
}
