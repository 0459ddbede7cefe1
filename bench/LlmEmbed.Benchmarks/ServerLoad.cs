using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net;

namespace LlmEmbed.Benchmarks;

/// <summary>
/// A server under load beside the same classifier on the same texts without one. The clients run on the same processors as the server.
/// </summary>
internal static class ServerLoad
{
    private const int Clients = 64;

    /// <summary>Seconds that each load is kept up.</summary>
    private const double Seconds = 30;

    /// <param name="model">Folder of a classifier.</param>
    /// <param name="file">Texts, each of which is a request of its own.</param>
    public static int Run(string model, string file)
    {
        string[] texts = [.. Bench.ReadTexts(file).Where(text => !string.IsNullOrWhiteSpace(text))];
        using TextClassifier classifier = TextClassifier.Load(model, Bench.Runtime);
        Prediction[] expected = [.. classifier.Predict(texts)];
        using ServerProcess server = ServerProcess.Start(model);
        Answers warm = Closed(server, texts[..Math.Min(500, texts.Length)], expected);
        Measurement offline = new(), online = new(), ratio = new(), latency = new();
        double largestDifference = warm.LargestDifference;
        for (int i = 0; i < Bench.Repetitions; i++)
        {
            long start = Stopwatch.GetTimestamp();
            _ = classifier.Predict(texts).Count();
            offline.Add(texts.Length / Stopwatch.GetElapsedTime(start).TotalSeconds);
            Answers answers = Closed(server, texts, expected);
            online.Add(answers.Rate);
            ratio.Add(answers.Rate / offline.Last);
            latency.Add(answers.Percentile(99));
            largestDifference = Math.Max(largestDifference, answers.LargestDifference);
        }
        int code = Bench.Table(
            $"{texts.Length:N0} texts in one call of `TextClassifier.Predict`, and as single requests of {Clients} clients on the same machine; " +
                $"median of {Bench.Repetitions} repetitions (range).",
            ["texts/s in one call", "texts/s of the server", "ratio", "p99, ms", "largest difference of a probability"],
            [[offline.Show(), online.Show(), ratio.Show("0.000"), latency.Show("0"), $"{largestDifference:0.0e0}"]]);

        List<string[]> rows = [];
        foreach (double load in (double[])[0.8, 1, 4])
        {
            Answers answers = Open(server, texts, expected, load * online.Median);
            rows.Add(
            [
                $"{load:0.0} times that rate", $"{answers.Statuses.Values.Sum():N0}",
                answers.Show(),
                $"{answers.Rate:N0}", $"{answers.Percentile(50):0}", $"{answers.Percentile(99):0}", $"{answers.LargestDifference:0.0e0}",
                $"{server.ResidentBytes / 1e6:N0}",
            ]);
        }
        code |= Bench.Table(
            $"Requests at random times, {Seconds:0} s each, whether or not earlier ones are answered.",
            ["load", "requests", "statuses", "answers/s", "p50, ms", "p99, ms", "largest difference", "server's memory, MB"],
            rows);
        Console.WriteLine($"The server ended with {server.Stop()} when it was told to.");
        return code;
    }

    /// <summary>The memory of a server that 64 clients keep busy, with clients that leave and bodies that make no sense among them.</summary>
    /// <param name="model">Folder of a classifier.</param>
    /// <param name="file">Texts.</param>
    /// <param name="minutes">For how long.</param>
    public static int Memory(string model, string file, int minutes)
    {
        string[] texts = [.. Bench.ReadTexts(file).Where(text => !string.IsNullOrWhiteSpace(text))];
        using TextClassifier classifier = TextClassifier.Load(model, Bench.Runtime);
        Prediction[] expected = [.. classifier.Predict(texts)];
        using ServerProcess server = ServerProcess.Start(model);
        List<string[]> rows = [];
        Answers answers = new();
        long start = Stopwatch.GetTimestamp();
        for (int minute = 1; minute <= minutes; minute++)
        {
            Measurement bytes = new();
            while (Stopwatch.GetElapsedTime(start).TotalMinutes < minute)
            {
                Answers part = Closed(server, texts[..Math.Min(500, texts.Length)], expected);
                answers.Add(part);
                server.DisturbAsync().GetAwaiter().GetResult();
                bytes.Add(server.ResidentBytes / 1e6);
            }
            rows.Add([$"{minute}", bytes.Show(), answers.Show(), $"{answers.LargestDifference:0.0e0}"]);
        }
        int code = Bench.Table(
            $"A server that {Clients} clients keep busy, with clients that leave and bodies that make no sense; memory as median (range) of each " +
                "minute.",
            ["minute", "server's memory, MB", "answers so far, by status", "largest difference of a probability"],
            rows);
        Console.WriteLine($"The server ended with {server.Stop()} when it was told to.");
        return code;
    }

    /// <summary>Seconds until a server answers, and its memory with one and with two classifiers on the same backbones.</summary>
    /// <param name="model">Folder of a classifier.</param>
    /// <param name="other">Folder of another one on the same backbones.</param>
    public static int Starts(string model, string other)
    {
        List<string[]> rows = [];
        using (ServerProcess first = ServerProcess.Start(model)) first.Stop(); // keeps the quantized weights
        foreach (string[] models in (string[][])[[model], [$"a={model}", $"b={other}"]])
        {
            Measurement ready = new(), loading = new(), warmUp = new(), idle = new(), used = new();
            for (int i = 0; i < Bench.Repetitions; i++)
            {
                using ServerProcess server = ServerProcess.Start(models);
                ready.Add(server.UntilReady);
                loading.Add(server.Loading);
                warmUp.Add(server.WarmUp);
                idle.Add(server.ResidentBytes / 1e6);
                foreach (string text in Bench.Texts(200, 20)) _ = server.ClassifyAsync(text).GetAwaiter().GetResult();
                used.Add(server.ResidentBytes / 1e6);
                server.Stop();
            }
            rows.Add([$"{models.Length}", ready.Show("0.00"), loading.Show("0.00"), warmUp.Show("0.00"), idle.Show(), used.Show()]);
        }
        return Bench.Table(
            $"Servers with quantized weights from an earlier start; median of {Bench.Repetitions} starts (range).",
            ["classifiers", "s until ready", "of these loading", "warm-up", "memory when ready, MB", "after 200 texts, MB"],
            rows);
    }

    /// <summary>Each client asks for the next text when its last one is answered.</summary>
    public static Answers Closed(ServerProcess server, string[] texts, Prediction[] expected)
    {
        Answers answers = new();
        int next = -1;
        long start = Stopwatch.GetTimestamp();
        Task.WhenAll(Enumerable.Range(0, Clients).Select(_ => Task.Run(async () =>
        {
            for (int text; (text = Interlocked.Increment(ref next)) < texts.Length;) await answers.AskAsync(server, texts[text], expected[text]);
        }))).GetAwaiter().GetResult();
        answers.Elapsed = Stopwatch.GetElapsedTime(start);
        return answers;
    }

    /// <summary>Requests come at random times at a rate.</summary>
    private static Answers Open(ServerProcess server, string[] texts, Prediction[] expected, double rate)
    {
        Answers answers = new();
        Random random = new(1);
        List<Task> asked = [];
        long start = Stopwatch.GetTimestamp();
        double due = 0;
        for (int i = 0; due < Seconds; i++)
        {
            due -= Math.Log(1 - random.NextDouble()) / rate;
            while (Stopwatch.GetElapsedTime(start).TotalSeconds < due) Thread.Sleep(1);
            int text = i % texts.Length;
            asked.Add(Task.Run(() => answers.AskAsync(server, texts[text], expected[text])));
        }
        answers.Elapsed = Stopwatch.GetElapsedTime(start);
        Task.WaitAll([.. asked]);
        return answers;
    }

    /// <summary>What clients got.</summary>
    internal sealed class Answers
    {
        private readonly ConcurrentBag<double> _latencies = [];
        private readonly Lock _lock = new();

        public ConcurrentDictionary<HttpStatusCode, int> Statuses { get; } = [];

        /// <summary>Between a probability of the server and the same without one; infinite if a label differs that is not a tie.</summary>
        public double LargestDifference { get; private set; }

        public TimeSpan Elapsed { get; set; }

        /// <summary>Answers with a result in a second.</summary>
        public double Rate => _latencies.Count / Elapsed.TotalSeconds;

        /// <summary>Milliseconds of requests with a result.</summary>
        public double Percentile(int percent) => _latencies.IsEmpty ? 0 : _latencies.Order().ElementAt(_latencies.Count * percent / 100);

        public string Show() => string.Join(", ", Statuses.OrderBy(pair => pair.Key).Select(pair => $"{(int)pair.Key}: {pair.Value:N0}"));

        public void Add(Answers other)
        {
            foreach ((HttpStatusCode status, int count) in other.Statuses) Statuses.AddOrUpdate(status, count, (_, before) => before + count);
            LargestDifference = Math.Max(LargestDifference, other.LargestDifference);
        }

        public async Task AskAsync(ServerProcess server, string text, Prediction expected)
        {
            long start = Stopwatch.GetTimestamp();
            (HttpStatusCode status, string? label, double probability) = await server.ClassifyAsync(text).ConfigureAwait(false);
            Statuses.AddOrUpdate(status, 1, (_, count) => count + 1);
            if (status != HttpStatusCode.OK) return;
            _latencies.Add(Stopwatch.GetElapsedTime(start).TotalMilliseconds);
            double difference = label is null ? double.PositiveInfinity
                : Math.Abs(probability - expected.Ranked.Single(item => item.Label == label).Probability);
            lock (_lock) LargestDifference = Math.Max(LargestDifference, difference);
        }
    }
}
