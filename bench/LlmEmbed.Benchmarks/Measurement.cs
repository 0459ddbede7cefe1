using System.Diagnostics;
using System.Globalization;
using System.Text.Json.Nodes;
using LlmEmbed.Data;

namespace LlmEmbed.Benchmarks;

/// <summary>Repetitions of one measurement.</summary>
internal sealed class Measurement
{
    private readonly List<double> _values = [];

    public double Median => _values.Order().ElementAt(_values.Count / 2);

    public double Last => _values[^1];

    public void Add(double value) => _values.Add(value);

    /// <summary>"4,712 (4,650 to 4,790)": median and range; nothing where nothing was measured.</summary>
    public string Show(string format = "N0") => _values.Count == 0
        ? ""
        : string.Create(CultureInfo.InvariantCulture, $"{Median.ToString(format, CultureInfo.InvariantCulture)} ({_values.Min().ToString(format, CultureInfo.InvariantCulture)} to {_values.Max().ToString(format, CultureInfo.InvariantCulture)})");
}

internal static class Bench
{
    /// <summary>Fewer only to try a benchmark out.</summary>
    public static int Repetitions { get; set; } = 5;

    public static readonly string[] Starters = ["smollm2-135m-instruct", "all-minilm-l6-v2"];

    /// <summary>Texts of so many words, drawn from the sample data.</summary>
    public static string[] Texts(int count, int words, int seed = 1)
    {
        string[] all = File.ReadAllLines(Path.Combine(Root(), "samples", "support-requests", "train.csv")).Skip(1).SelectMany(line => line.Split([' ', ',', '"'], StringSplitOptions.RemoveEmptyEntries)).ToArray();
        Random random = new(seed);
        return [.. Enumerable.Range(0, count).Select(_ => string.Join(' ', Enumerable.Range(0, words).Select(_ => all[random.Next(all.Length)])))];
    }

    /// <summary>The texts of a file.</summary>
    public static string[] ReadTexts(string file)
    {
        using TableReader table = TableReader.Open(file);
        int column = TableColumns.Text(table, null);
        return [.. table.Rows().Select(row => table.Text(row, column) ?? "")];
    }

    /// <summary>Tokens per second, the engine being warm.</summary>
    public static double Rate(TextEncoder encoder, string[] texts)
    {
        long start = Stopwatch.GetTimestamp();
        EncodingStatistics statistics = encoder.Encode(texts).Statistics;
        return statistics.Tokens / Stopwatch.GetElapsedTime(start).TotalSeconds;
    }

    public static TextEncoder Load(string backbone, Precision precision, string? depths = null, int maxTokens = 256)
    {
        TextEncoder encoder = TextEncoder.Load(backbone, new() { Precision = precision, Depths = depths, MaxTokens = maxTokens, ModelFolders = [Path.Combine(Root(), "models")] });
        encoder.Encode(Texts(64, 20, seed: 2)); // compiles
        return encoder;
    }

    public static string StarterGguf() => Directory.GetFiles(Path.Combine(Root(), "models", Starters[0]), "*.gguf").Single();

    /// <summary>Runs a program in bench/peers; its last line is JSON.</summary>
    /// <param name="program">What to run.</param>
    /// <param name="arguments">Its arguments.</param>
    /// <param name="without">Variables of the environment that it does not get.</param>
    public static JsonNode Json(string program, string[] arguments, string[]? without = null)
    {
        ProcessStartInfo start = new(program, arguments) { RedirectStandardOutput = true, UseShellExecute = false, WorkingDirectory = Path.Combine(Root(), "bench", "peers") };
        foreach (string variable in without ?? []) start.Environment.Remove(variable);
        using Process process = Process.Start(start)!;
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return JsonNode.Parse(output.Trim().Split('\n')[^1])!;
    }

    /// <summary>Most bytes that a running process had in memory, pages of mapped files included, which the system can drop at any time; 0 once it has ended.</summary>
    public static long MostMemoryOf(Process process)
    {
        try
        {
            process.Refresh();
            return process.PeakWorkingSet64;
        }
        catch (InvalidOperationException)
        {
            return 0;
        }
    }

    /// <summary>The repository's folder.</summary>
    public static string Root()
    {
        for (DirectoryInfo? folder = new(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
            if (File.Exists(Path.Combine(folder.FullName, "LlmEmbed.slnx"))) return folder.FullName;
        throw new InvalidOperationException("Run this inside the repository.");
    }

    public static int Table(string title, string[] columns, IEnumerable<string[]> rows)
    {
        Console.WriteLine($"{title}\n\n| {string.Join(" | ", columns)} |\n|{string.Concat(Enumerable.Repeat("---|", columns.Length))}");
        foreach (string[] row in rows) Console.WriteLine($"| {string.Join(" | ", row)} |");
        return 0;
    }
}
