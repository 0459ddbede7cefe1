using System.CommandLine;
using System.Text.Json.Nodes;
using LlmEmbed.Data;
using LlmEmbed.Jobs;
using LlmEmbed.Reading;

namespace LlmEmbed.Cli;

/// <summary>llmembed job plan: reads the input once and cuts it into shards.</summary>
internal sealed class JobPlanCommand
{
    private readonly Argument<string[]> _inputs = new("INPUT")
    {
        Description = "Files, folders (all tables in them) and patterns such as 'data/part-*.csv.gz': csv, tsv, jsonl, parquet or txt, also .gz " +
            "and .zst.",
        Arity = ArgumentArity.OneOrMore,
    };

    private readonly Option<string> _output = new("--output")
    {
        Description = "Folder of the job, on a disk that all machines share.",
        HelpName = "DIR",
        Required = true,
    };

    private readonly Option<TaskKind> _task = CommonOptions.Choice<TaskKind>(
        "--task", "predict (classify each text) or embed (write its pooled hidden states).");

    private readonly Option<string?> _model = new("--model") { Description = "predict: folder that 'llmembed train' wrote.", HelpName = "DIR" };

    private readonly Option<string[]> _keep = new("--keep")
    {
        Description = "predict: column of the input that the result carries; may be repeated, and '' carries none. Default: all.",
        HelpName = "COLUMN",
    };

    private readonly Option<int?> _top = CommonOptions.Count("--top", "K", "predict: also give the K most probable labels with their probabilities.");
    private readonly Option<bool> _all = new("--all") { Description = "predict: also give the probability of every label." };

    private readonly Option<bool> _forTrain = new("--for-train")
    {
        Description = "embed: compute what 'llmembed train' with the same file and the same options of its own will read, into the folder of " +
            "--cache (default: DIR/store). The views are chosen now.",
    };

    private readonly Option<int?> _shards = CommonOptions.Count("--shards", "N", "Shards. Default: as many as take about 15 minutes each here.");
    private readonly Option<int?> _rowsPerShard = CommonOptions.Count("--rows-per-shard", "M", "Rows of a shard at least, instead of --shards.");

    private readonly Option<int?> _unitRows = CommonOptions.Count(
        "--unit-rows",
        "R",
        "Rows that go through the model together at most. Shards are ranges of such units, and units decide the last bits. Default: 4096, or " +
        "120,000 characters.");

    private readonly Option<bool> _json = CommonOptions.Json();
    private readonly LabeledTableArguments _tables = new();
    private readonly TrainingArguments _training = new();
    private readonly EncoderArguments _encoder = new(Precision.Fp32);
    private readonly RuntimeArguments _runtime = RuntimeArguments.KeepingWeightsOnly(hasMemory: true);

    private enum TaskKind
    {
        Predict,
        Embed,
    }

    public static ToolCommand Create(Terminal terminal)
    {
        JobPlanCommand own = new();
        ToolCommand command = new(terminal, "plan", "Read the input once, measure the rate on a sample of it, and write plan.json.")
        {
            own._inputs, own._output, own._task, own._model, own._keep, own._top, own._all, own._forTrain, own._shards, own._rowsPerShard,
            own._unitRows,
        };
        own._task.Required = true;
        command.Files.Add(PathRole.Data, own._inputs);
        command.Files.Add(PathRole.Model, own._model);
        command.Files.Add(PathRole.Additions, own._output);
        own._tables.AddTo(command);
        own._encoder.AddTo(command);
        own._runtime.AddTo(command);
        own._training.AddTo(command);
        command.Add(own._json);
        command.Run((parsed, cancellationToken) =>
        {
            RuntimeOptions runtime = own._runtime.Read(terminal, parsed);
            JobOptions options = own.Read(terminal, parsed, runtime, cancellationToken);
            Job job = ConsoleProgress.Show(
                terminal, progress => Job.Plan(options, parsed.GetRequiredValue(own._output), runtime, progress, cancellationToken));
            Print(terminal, job, parsed.GetValue(own._json));
            return ExitCode.Success;
        });
        return command;
    }

    private JobOptions Read(Terminal terminal, ParseResult parsed, RuntimeOptions runtime, CancellationToken cancellationToken)
    {
        if (parsed.GetValue(_shards) is not null && parsed.GetValue(_rowsPerShard) is not null)
            throw new WrongUsageException("Give --shards or --rows-per-shard, not both.");
        bool isPrediction = parsed.GetValue(_task) == TaskKind.Predict, isTraining = parsed.GetValue(_forTrain);
        if (isPrediction) Refuse(parsed, [_forTrain, _training.Backbones, .. _encoder.All], "--task embed");
        else Refuse(parsed, [_model, _keep, _top, _all], "--task predict");
        if (!isTraining) Refuse(parsed, [.. _training.OfTraining, .. _tables.OfLabels], "--task embed --for-train");
        return new JobOptions
        {
            Inputs = parsed.GetRequiredValue(_inputs),
            Task = isPrediction ? Predict(parsed) : isTraining ? Train(terminal, parsed, runtime, cancellationToken) : Embed(parsed),
            Table = _tables.Table.Read(parsed),
            TextColumn = _tables.Table.TextColumn(parsed),
            Shards = parsed.GetValue(_shards),
            RowsPerShard = parsed.GetValue(_rowsPerShard),
            UnitRows = parsed.GetValue(_unitRows),
        };
    }

    private JobTask.Predict Predict(ParseResult parsed)
    {
        if (parsed.GetValue(_all) && parsed.GetValue(_top) is not null) throw new WrongUsageException("Give --top or --all, not both.");
        string[]? kept = parsed.GetResult(_keep) is null ? null : parsed.GetValue(_keep);
        return new(parsed.GetValue(_model) ?? throw new WrongUsageException("--task predict needs --model, the folder of a classifier."))
        {
            Keep = kept is null ? null : [.. kept.Where(name => name.Length > 0)],
            Top = parsed.GetValue(_top),
            All = parsed.GetValue(_all),
        };
    }

    private JobTask.Embed Embed(ParseResult parsed) => _training.BackbonesOf(parsed) is [string backbone]
        ? new(backbone) { Encoder = _encoder.Read(parsed) }
        : throw new WrongUsageException("--task embed needs --backbone, one frozen model.");

    /// <summary>Takes the examples as train does, so that it finds what it will look for.</summary>
    private JobTask.Train Train(Terminal terminal, ParseResult parsed, RuntimeOptions runtime, CancellationToken cancellationToken)
    {
        if (parsed.GetRequiredValue(_inputs) is not [string data])
            throw new WrongUsageException("--for-train takes one file, the --data of train.");
        TrainingOptions options = _training.Read(parsed, _encoder) with { HeldOutShare = TrainCommand.HeldOutShare };
        LabeledTable table = _tables.ReadForTraining(terminal, data, parsed);
        using OpenBackbones open = new(runtime);
        Func<IReadOnlyList<string>, IReadOnlyList<int>> findEmpty = CommonOptions.EmptyTextsOf(terminal, options.Recipe, open, cancellationToken);
        UsedTexts used = UsedTexts.Of(table, _tables.BadRowsOf(parsed), findEmpty, isForTraining: true);
        string store = _runtime.CacheOf(parsed) ?? Path.Combine(parsed.GetRequiredValue(_output), "store");
        return new(store, used.Examples, options);
    }

    private static void Refuse(ParseResult parsed, IEnumerable<Option> options, string place)
    {
        if (options.FirstOrDefault(option => parsed.GetResult(option) is { Implicit: false }) is { } option)
            throw new WrongUsageException($"{option.Name} belongs to {place}. Leave it out.");
    }

    private static void Print(Terminal terminal, Job job, bool asJson)
    {
        JobEstimate estimate = job.Estimate;
        if (asJson)
        {
            terminal.Output.WriteLine(new JsonObject
            {
                ["folder"] = job.Folder,
                ["files"] = job.Inputs.Count,
                ["rows"] = job.Rows,
                ["shards"] = job.ShardCount,
                ["tokens"] = estimate.Tokens,
                ["seconds_on_one_machine"] = estimate.Seconds,
                ["output_bytes"] = estimate.OutputBytes,
            }.ToJsonString());
            return;
        }
        terminal.Output.WriteLine($"{job.Inputs.Count:N0} files, {job.Rows:N0} texts, about {estimate.Tokens:N0} tokens");
        terminal.Output.WriteLine(
            $"about {JobCommands.Show(estimate.Seconds)} on one machine like this" +
            string.Concat(Machines(job.ShardCount).Select(machines => $", {JobCommands.Show(estimate.Seconds / machines)} on {machines:N0}")));
        terminal.Output.WriteLine($"about {estimate.OutputBytes / 1e6:N1} MB of results, twice that while shards are being finished");
        terminal.Output.WriteLine($"{job.ShardCount:N0} shards; run them with: {Shell.Command("llmembed", "job", "run", job.Folder)}");
        if (job.Store is string store)
            terminal.Output.WriteLine($"then train on the same file, with the same options and {Shell.Command("--cache", store)}");
    }

    /// <summary>Numbers of machines to which there are shards enough.</summary>
    private static IEnumerable<int> Machines(int shards)
    {
        for (int machines = 10; machines <= Math.Min(shards, 1000); machines *= 10) yield return machines;
    }
}
