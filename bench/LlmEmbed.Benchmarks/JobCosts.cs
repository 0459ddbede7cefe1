using System.Globalization;
using System.Text.Json.Nodes;

namespace LlmEmbed.Benchmarks;

/// <summary>What jobs cost beside what they compute: whole processes of the tool on texts that the benchmark writes.</summary>
internal sealed class JobCosts : IDisposable
{
    /// <summary>Characters after which a unit ends, and about the length of a text of 20 words.</summary>
    private const int CharactersOfUnit = 120_000;

    private const int Words = 20;

    private static readonly string Tool = Path.Combine(AppContext.BaseDirectory, "llmembed.dll");

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("llmembed-bench-");
    private readonly string _classifier;

    private JobCosts()
    {
        Recipe recipe = new Recipe.Automatic { Backbones = [Bench.Starters[1]], Precision = Precision.Int8 };
        LabeledText[] examples = [.. Bench.Texts(40, 8).Select((text, i) => new LabeledText(text, i % 2 == 0 ? "a" : "b"))];
        using TextClassifier classifier = TextClassifier.Train(examples, new() { Recipe = recipe }, Bench.Runtime);
        _classifier = PathOf("classifier");
        classifier.Save(_classifier);
        Run("predict", _classifier, "Any text will do."); // quantizes, which only the first start of all does
    }

    /// <summary>The costs of a shard, of shards beside one plain command, and how right the estimate of a plan is.</summary>
    public static int Run(int texts)
    {
        using JobCosts costs = new();
        costs.OfShard();
        Console.WriteLine();
        costs.BesidePredict(texts);
        Console.WriteLine();
        return costs.OfEstimate(texts);
    }

    /// <summary>How fast inputs are planned, and in which memory.</summary>
    public static int Plan(int most)
    {
        using JobCosts costs = new();
        return costs.OfPlan(most);
    }

    public void Dispose() => _folder.Delete(recursive: true);

    /// <summary>Texts that are a unit each and cost hardly anything, since only their beginning is read by a model.</summary>
    private void OfShard()
    {
        const int Shards = 21;
        string input = PathOf("units.txt"), job = PathOf("units");
        File.WriteAllLines(input, Enumerable.Range(0, Shards).Select(i => $"{i} {new string('a', CharactersOfUnit)}"));
        Measurement first = new(), next = new(), again = new();
        for (int i = 0; i < Bench.Repetitions; i++)
        {
            PlanJob(job, input, Shards);
            first.Add(Run("job", "run", job, "--shard", "0").Seconds);
            double rest = Run("job", "run", job, "--shards", $"1-{Shards - 1}").Seconds;
            next.Add((rest - first.Last) / (Shards - 2)); // the process of the rest had its own first shard
            again.Add(Run("job", "run", job, "--shard", "0").Seconds);
        }
        Bench.Table(
            $"Shards of one text of which 256 tokens are read, all-MiniLM-L6-v2, int8; median of {Bench.Repetitions} repetitions (range).",
            ["", "seconds"],
            [
                ["a process for one shard: start, check of the plan, loading, one text, record", first.Show("0.00")],
                ["each further shard of the same process", next.Show("0.000")],
                ["a process for a shard that is done", again.Show("0.00")],
            ]);
    }

    private void BesidePredict(int texts)
    {
        string input = WriteTexts(texts), job = PathOf("seven");
        Rates plain = new(texts), shards = new(texts);
        void Predict() => plain.Add(Run("predict", _classifier, "--data", input, "--output", PathOf("predictions.jsonl")));
        for (int i = 0; i < Bench.Repetitions; i++)
        {
            PlanJob(job, input, 7);
            // Whoever comes second finds the machine as the first left it, so that they take turns in that too.
            if (i % 2 == 0) Predict();
            shards.Add(ByTwoWorkers(job));
            if (i % 2 == 1) Predict();
        }
        Bench.Table(
            $"{texts:N0} texts of {Words} words, all-MiniLM-L6-v2, int8; whole processes in turn: the best of {Bench.Repetitions} repetitions, and " +
                "their median (range).",
            ["", "texts/s", "median", "texts for each second of a processor", "median"],
            [
                ["`predict`", .. plain.Show()],
                ["seven shards by two workers, `job run` without a shard", .. shards.Show()],
                [
                    "share, %", Share(rates => rates.Clock.Most), Share(rates => rates.Clock.Median), Share(rates => rates.Processor.Most),
                    Share(rates => rates.Processor.Median),
                ],
            ]);

        string Share(Func<Rates, double> rate) => Number(100 * rate(shards) / rate(plain));
    }

    /// <returns>The time until both have ended, and what they took of the processors together.</returns>
    private ToolRun ByTwoWorkers(string job)
    {
        // Whoever finds that the other one computes all that is left ends with 75.
        Task<ToolRun>[] workers = [.. Enumerable.Range(0, 2).Select(_ => Task.Run(() => Bench.RunTool(Tool, _folder, [0, 75], "job", "run", job)))];
        ToolRun[] runs = Task.WhenAll(workers).Result;
        return new(runs.Max(run => run.Seconds), runs.Sum(run => run.ProcessorSeconds), runs.Sum(run => run.MostBytes));
    }

    private int OfEstimate(int texts)
    {
        string input = WriteTexts(texts), job = PathOf("estimate");
        List<string[]> rows = [];
        foreach ((string name, string output, string[] task) in new (string, string, string[])[]
        {
            ("predict, int8", "merged.jsonl", ["--task", "predict", "--model", _classifier]),
            ("embed, fp32", "merged.safetensors", ["--task", "embed", "--backbone", Bench.Starters[1], "--precision", "fp32"]),
        })
        {
            Measurement estimate = new(), seconds = new(), merging = new();
            for (int i = 0; i < Bench.Repetitions; i++)
            {
                PlanJob(job, input, 7, task);
                estimate.Add((double)JsonNode.Parse(File.ReadAllText(Path.Combine(job, "plan.json")))!["estimate"]!["seconds"]!);
                seconds.Add(Run("job", "run", job).Seconds);
                merging.Add(Run("job", "merge", job, "--output", PathOf(output)).Seconds);
            }
            string error = Number(100 * (estimate.Median / seconds.Median - 1), "+0;-0;0");
            double megabytes = new FileInfo(PathOf(output)).Length / 1e6;
            rows.Add([name, estimate.Show("0.0"), seconds.Show("0.0"), error, merging.Show("0.0"), Number(megabytes)]);
        }
        return Bench.Table(
            $"{texts:N0} texts of {Words} words, all-MiniLM-L6-v2, seven shards in one process; median of {Bench.Repetitions} repetitions (range).",
            ["", "seconds that the plan estimates", "seconds of the run", "the estimate is higher by, %", "seconds of the merge", "its MB"],
            rows);
    }

    private string PathOf(string name) => Path.Combine(_folder.FullName, name);

    private static string Number(double value, string format = "N0") => value.ToString(format, CultureInfo.InvariantCulture);

    private ToolRun Run(params string[] arguments) => Bench.RunTool(Tool, _folder, arguments);

    /// <summary>Plans predictions in a folder that holds no other job.</summary>
    private ToolRun PlanJob(string job, string input, int shards) => PlanJob(job, input, shards, "--task", "predict", "--model", _classifier);

    private ToolRun PlanJob(string job, string input, int shards, params string[] task)
    {
        if (Directory.Exists(job)) Directory.Delete(job, recursive: true);
        return Run(["job", "plan", input, "--output", job, "--shards", $"{shards}", .. task]);
    }

    private string WriteTexts(int count)
    {
        string path = PathOf($"texts-{count}.csv");
        File.WriteAllLines(path, Bench.Texts(count, Words).Select((text, i) => $"{i},{text}").Prepend("id,text"));
        return path;
    }

    private int OfPlan(int most)
    {
        List<string[]> rows = [];
        string[] words = Bench.Texts(1, 2000)[0].Split(' ');
        foreach ((int count, int wordsOfRow) in new[] { (most / 10, 2), (most, 2), (most / 10, Words) })
        {
            string input = PathOf("rows.csv");
            using (StreamWriter file = new(input))
            {
                Random random = new(1);
                file.WriteLine("id,text");
                for (int i = 0; i < count; i++)
                    file.WriteLine($"{i},{string.Join(' ', Enumerable.Range(0, wordsOfRow).Select(_ => words[random.Next(words.Length)]))}");
            }
            ToolRun run = PlanJob(PathOf("rows"), input, 100);
            double megabytes = new FileInfo(input).Length / 1e6;
            rows.Add(
            [
                Number(count), Number(wordsOfRow), Number(megabytes), Number(run.Seconds, "0.0"), Number(run.ProcessorSeconds, "0.0"),
                Number(count / run.Seconds), Number(megabytes / run.Seconds), Number(run.MostBytes / 1e6),
            ]);
        }
        return Bench.Table(
            "`job plan` on a csv file, with the measurement of the rate that it makes; one run each.",
            ["rows", "words of a row", "MB", "seconds", "processor seconds", "rows/s", "MB/s", "most memory of the process, MB"],
            rows);
    }

    /// <summary>Texts for each second of the clock, and of a processor, which tell programs apart on a busy machine too.</summary>
    private sealed class Rates(int texts)
    {
        public Measurement Clock { get; } = new();

        public Measurement Processor { get; } = new();

        public void Add(ToolRun run)
        {
            Clock.Add(texts / run.Seconds);
            Processor.Add(texts / run.ProcessorSeconds);
        }

        public string[] Show() => [Number(Clock.Most), Clock.Show(), Number(Processor.Most), Processor.Show()];
    }
}
