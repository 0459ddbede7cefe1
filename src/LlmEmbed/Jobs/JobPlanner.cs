using System.Diagnostics;
using LlmEmbed.Bundles;
using LlmEmbed.Data;
using LlmEmbed.Files;
using LlmEmbed.Reading;
using LlmEmbed.Recipes;

namespace LlmEmbed.Jobs;

/// <summary>Makes plans: reads the whole input once, in memory that does not grow with it, and measures how fast it will be worked on.</summary>
internal sealed class JobPlanner(JobOptions options, JobFolder folder, OpenBackbones backbones, Work work)
{
    /// <summary>Texts on which the rate is measured at most.</summary>
    private const int SampleTexts = 1000;

    /// <summary>Texts on which the engine gets warm.</summary>
    private const int FirstTexts = 16;

    /// <summary>Time that a unit of the measurement may take, and about what all of them take together.</summary>
    private const double MostSeconds = 10, EnoughSeconds = 4;

    /// <summary>Long enough that the start of a process is nothing beside it, short enough that little is lost with it.</summary>
    private const double SecondsPerShard = 15 * 60;

    public JobPlan Make()
    {
        IReadOnlyList<string> files = JobInputs.Find(options.Inputs);
        JobTables tables = JobTables.Of(options.Table, options.TextColumn, KeptColumns(files));
        UnitSize size = UnitSize.Usual with { Rows = options.UnitRows ?? UnitSize.Usual.Rows };
        JobPlan plan = new()
        {
            Bits = JobBits.OfThisMachine(backbones.Runtime.MemoryBytes),
            Work = WorkOf(tables.Keep),
            Tables = tables,
            Inputs = [],
            UnitSize = size,
            Shards = [],
        };
        InputScan scan = InputScan.Of(files, folder, tables, size, SampleTexts, work);
        JobEstimate estimate = Measure(plan, scan);
        IReadOnlyList<JobShard> shards = options.RowsPerShard is long rows ? scan.CutByRows(rows)
            : scan.Cut(options.Shards ?? scan.ShardsOfAbout(SecondsPerShard / estimate.Seconds));
        return plan with { Inputs = scan.Inputs, Shards = shards, Estimate = estimate };
    }

    /// <summary>The columns that a prediction carries: those that are asked for, or else all.</summary>
    private IReadOnlyList<string> KeptColumns(IReadOnlyList<string> files)
    {
        if (options.Task is not JobTask.Predict task) return [];
        if (task.Keep is not null) return task.Keep;
        JobTables tables = JobTables.Of(options.Table, options.TextColumn, []);
        using TableReader first = tables.Open(files[0]);
        foreach (string file in files.Skip(1))
        {
            using TableReader other = tables.Open(file);
            if (!first.Columns.Order(StringComparer.Ordinal).SequenceEqual(other.Columns.Order(StringComparer.Ordinal), StringComparer.Ordinal))
                throw FileProblem.In(
                    file,
                    $"the columns are {string.Join(", ", other.Columns)}, and those of {files[0]} are {string.Join(", ", first.Columns)}. Name the " +
                    "columns that the result is to carry, which all files must have, with --keep; --keep '' carries none.");
        }
        return first.Columns;
    }

    private JobWork WorkOf(IReadOnlyList<string> kept)
    {
        if (options.Task is JobTask.Predict predict)
        {
            using TrainedClassifier classifier = ClassifierBundle.Load(predict.Model, backbones, work);
            PredictionColumns columns = new(kept, classifier.Labels, predict.Top ?? 1, predict.All);
            return new PredictWork(folder.Relative(predict.Model), PredictWork.HashOf(predict.Model, work), predict.Top, predict.All)
            {
                Columns = columns.Names,
                Numbers = columns.Numbers,
            };
        }
        if (options.Task is JobTask.Train train) return TrainWorkOf(train);
        JobTask.Embed embed = (JobTask.Embed)options.Task;
        OpenBackbone backbone = backbones.Open(embed.Backbone, work);
        BackbonePlan plan = BackbonePlan.For(backbone, embed.Encoder);
        BackboneReader.RequireOneTable(backbone, plan);
        using BackboneReader reader = new(backbone, plan, backbones.Runtime, work);
        return new EmbedWork(EntryOf(reader), reader.Fingerprint.Sha256);
    }

    /// <summary>Chooses what the training will read, as the training itself will do; the sample on which it chooses is put into the store.</summary>
    private TrainWork TrainWorkOf(JobTask.Train task)
    {
        using OpenBackbones open = new(backbones.Runtime with { CacheFolder = task.Store });
        string[] classes = ClassLabels.Of(task.Examples);
        RecipeTraining training = RecipeTraining.For(task.Training, classes, open, work.Progress, work.CancellationToken);
        training.RequireTexts(task.Examples, task.Training.Recipe);
        int[] rows = training.AffordableRows(task.Examples, classes);
        TrainingTexts texts = TrainingTexts.Of(task.Examples, classes, rows, task.Training.HeldOutShare, task.Training.Seed);
        ReadingPlan plan = training.PlanReading(texts);
        return new TrainWork(folder.Relative(task.Store), [.. plan.Backbones.Select(part =>
        {
            using BackboneReader reader = new(part.Backbone, part.Plan, backbones.Runtime, work);
            IEnumerable<int> depths = plan.Sample?.Tokens.FirstOrDefault(states => states.Backbone == reader.Name)?.Depths ?? [];
            return new TrainPart(EntryOf(reader), reader.Fingerprint.Sha256, [.. depths.Where(depth => depth <= reader.Plan.Depth)]);
        })]);
    }

    /// <summary>A relative path would lead elsewhere on another machine.</summary>
    private static BackboneEntry EntryOf(BackboneReader reader) =>
        BackboneEntry.Of(reader) is var entry && Path.Exists(entry.Source) ? entry with { Source = Path.GetFullPath(entry.Source) } : entry;

    /// <summary>Computes a sample of the texts, and expects all texts to take as long by their characters.</summary>
    private JobEstimate Measure(JobPlan plan, InputScan scan)
    {
        if (scan.Sample.Count == 0) return new JobEstimate(scan.Rows, 0, 0, 0);
        work.Progress?.Report(new WorkProgress("Measuring the rate", 0, scan.Sample.Count, "texts"));
        using IUnitWorker worker = plan.Work.Open(folder, plan, backbones, work);
        JobUnit first = new(0, 0, [.. scan.Sample.Take(FirstTexts)]);
        Compute(worker, first, out _); // compiles
        Compute(worker, first, out double firstSeconds);
        // A sample like a unit, as far as there is time for it.
        long characters = (long)Math.Min(plan.UnitSize.Characters, first.Characters * MostSeconds / firstSeconds);
        JobUnit sample = JobUnit.Cut(scan.Sample, 0, 0, new UnitSize((int)Math.Max(characters, first.Characters), plan.UnitSize.Rows)).First();
        FinishedUnit finished = Compute(worker, sample, out double seconds); // compiles for batches side by side
        seconds = SecondsInTurn(worker, sample, repeats: (int)Math.Clamp(EnoughSeconds / seconds, 1, 8));
        work.Progress?.Report(new WorkProgress("Measuring the rate", scan.Sample.Count, scan.Sample.Count, "texts"));
        double share = (double)scan.Characters / Math.Max(1, sample.Characters);
        return new JobEstimate(
            scan.Rows,
            (long)(worker.TokensOf(sample) * share),
            Math.Round(seconds * share, 1),
            (long)(BytesOf(finished, plan.Work.Extension) * ((double)scan.Rows / sample.Rows.Count)));
    }

    private FinishedUnit Compute(IUnitWorker worker, JobUnit unit, out double seconds)
    {
        long start = Stopwatch.GetTimestamp();
        FinishedUnit finished = worker.Prepare(unit, work.CancellationToken)();
        seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        return finished;
    }

    /// <summary>Seconds of a unit among others, where one is tokenized while another one is computed, as in a run.</summary>
    private double SecondsInTurn(IUnitWorker worker, JobUnit unit, int repeats)
    {
        long start = 0;
        foreach (var _ in ChunkPipeline.Run(
            Enumerable.Repeat<JobUnit[]>([unit], repeats + 1),
            units => worker.Prepare(units[0], work.CancellationToken),
            compute => compute(),
            work.CancellationToken))
        {
            if (start == 0) start = Stopwatch.GetTimestamp();
        }
        return Stopwatch.GetElapsedTime(start).TotalSeconds / repeats;
    }

    private static long BytesOf(FinishedUnit finished, string extension)
    {
        string trial = Path.Combine(Path.GetTempPath(), $"{Guid.NewGuid():N}{extension}");
        try
        {
            return finished.Write(trial);
        }
        finally
        {
            File.Delete(trial);
        }
    }
}
