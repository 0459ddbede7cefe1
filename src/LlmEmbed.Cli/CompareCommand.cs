using System.CommandLine;
using LlmEmbed.Comparison;
using LlmEmbed.Data;
using LlmEmbed.Files;
using LlmEmbed.Reading;
using LlmEmbed.Reports;

namespace LlmEmbed.Cli;

/// <summary>llmembed compare: the default recipe beside baselines and the released recipe, on the user's texts, with uncertainty and cost.</summary>
internal static class CompareCommand
{
    public static Command Create(Terminal terminal)
    {
        Option<string> data = new("--data") { Description = "Labelled texts to train on.", HelpName = "FILE", Required = true };
        Option<string> test = new("--test")
        {
            Description = "Labelled texts to measure on; no choice looks at them.",
            HelpName = "FILE",
            Required = true,
        };
        Option<string?> output = new("--output") { Description = "Also write the table as Markdown.", HelpName = "FILE.md" };
        Option<string[]> backbones = CommonOptions.Backbones();
        Option<int?> examples = CommonOptions.Examples();
        Option<int?> seeds = CommonOptions.Count("--seeds", "N", "Trainings of each method in which chance plays a part. Default: 5.");
        Option<int> seed = new("--seed") { Description = "The first seed. Default: 0.", HelpName = "N" };
        Option<bool> skipOverlap = CommonOptions.SkipOverlap();
        PromptingArguments promptingArguments = new();
        Option<bool> noWords = CommonOptions.NoWords();
        Option<bool> noAttention = CommonOptions.NoAttention();
        Option<string?> report = CommonOptions.Report();
        LabeledTableArguments tableArguments = new();
        Option<bool> json = CommonOptions.Json();
        EncoderArguments encoderArguments = new();
        RuntimeArguments runtimeArguments = new();
        ToolCommand command = new(
            terminal,
            "compare", "Compare the default recipe with baselines, the released LLMEmbed recipe and prompts: quality, uncertainty, cost.")
        {
            data, test, skipOverlap, output, report, examples, backbones, seeds, seed,
        };
        command.Files.Add(PathRole.Data, data, test);
        command.Files.Add(PathRole.Model, backbones, new Recipe.Automatic().Backbones);
        command.Files.Add(PathRole.File, output, report);
        promptingArguments.AddTo(command);
        command.Add(noWords);
        command.Add(noAttention);
        encoderArguments.AddTo(command);
        runtimeArguments.AddTo(command);
        tableArguments.AddTo(command);
        command.Add(json);
        command.Run((parsed, cancellationToken) =>
        {
            EncoderOptions encoder = encoderArguments.Read(parsed);
            IEnumerable<Option> ofMethods = encoderArguments.ForViews.Append(encoderArguments.PadTo);
            if (ofMethods.FirstOrDefault(option => parsed.GetResult(option) is { Implicit: false }) is { } refused)
                throw new WrongUsageException($"{refused.Name} cannot be given here: each method of the comparison decides that itself.");
            Recipe.Automatic recipe = new()
            {
                Head = new HeadOptions.Automatic { UseWords = !parsed.GetValue(noWords) },
                UseAttention = !parsed.GetValue(noAttention),
                Prompt = encoder.Prompt,
                PromptName = encoder.PromptName,
                MaxTokens = encoder.MaxTokens,
                Precision = encoder.Precision,
            };
            if (parsed.GetValue(backbones) is { Length: > 0 } names) recipe = recipe with { Backbones = names };
            ComparisonOptions options = new() { Recipe = recipe, Seed = parsed.GetValue(seed), Prompting = promptingArguments.Read(parsed) };
            if (parsed.GetValue(seeds) is int count) options = options with { Seeds = count };
            foreach (string file in new[] { parsed.GetValue(output), parsed.GetValue(report) }.OfType<string>()) AtomicFile.RequireWritable(file);
            RuntimeOptions runtime = runtimeArguments.Read(terminal, parsed);
            LabeledTable train = tableArguments.ReadForTraining(terminal, parsed.GetRequiredValue(data), parsed);
            LabeledTable held = tableArguments.Read(terminal, parsed.GetRequiredValue(test), parsed);

            BadRows badRows = tableArguments.BadRowsOf(parsed);
            using OpenBackbones open = new(runtime);
            Func<IReadOnlyList<string>, IReadOnlyList<int>> findEmpty = CommonOptions.EmptyTextsOf(terminal, recipe, open, cancellationToken);
            UsedTexts sample = UsedTexts.Of(
                parsed.GetValue(examples) is int most ? train.Sample(most, options.Seed) : train, badRows, findEmpty, isForTraining: true);
            UsedTexts testing = UsedTexts.Of(held, badRows, findEmpty)
                .ForClasses(terminal, train.Labels).Against(sample, parsed.GetValue(skipOverlap));
            ComparisonResult result = ConsoleProgress.Show(
                terminal, progress => MethodComparison.Run(sample.Examples, testing.Examples, options, runtime, progress, cancellationToken))
                with
            { Overlap = testing.Overlap! };
            foreach (string warning in result.Warnings) terminal.Error.WriteLine($"llmembed: {warning}");
            ComparisonPage page = new(Title(sample, train, testing, result.Rows[0].Report.Classes.Count), result);
            if (parsed.GetValue(json)) terminal.Output.WriteLine(TableText.AddTo(page.ToJson(), ("data", sample), ("test", testing)));
            else Print(terminal, page, sample, testing);
            if (parsed.GetValue(output) is string path) AtomicFile.WriteText(path, page.ToMarkdown());
            if (parsed.GetValue(report) is string html) page.Save(html);
            return ExitCode.Success;
        });
        return command;
    }

    private static void Print(Terminal terminal, ComparisonPage page, params ReadOnlySpan<UsedTexts> texts)
    {
        foreach (UsedTexts used in texts)
        {
            terminal.Output.WriteLine($"{used.Source}: {used.Examples.Count:N0} texts");
            TableText.Print(terminal, used);
        }
        terminal.Output.WriteLine();
        terminal.Output.Write(page.ToMarkdown());
    }

    private static string Title(UsedTexts sample, LabeledTable train, UsedTexts test, int classes)
    {
        string all = sample.Examples.Count < train.Examples.Count ? $" of {train.Examples.Count:N0}" : "";
        return $"{sample.Examples.Count:N0} training texts{all}, {test.Examples.Count:N0} test texts, {classes} classes";
    }
}
