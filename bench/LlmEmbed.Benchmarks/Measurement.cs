using System.ComponentModel;
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

    public double Most => _values.Max();

    public void Add(double value) => _values.Add(value);

    /// <summary>Median and range, such as "4,712 (4,650 to 4,790)"; empty if nothing was measured.</summary>
    public string Show(string format = "N0")
    {
        string Number(double value) => value.ToString(format, CultureInfo.InvariantCulture);
        return _values.Count == 0 ? "" : $"{Number(Median)} ({Number(_values.Min())} to {Number(_values.Max())})";
    }
}

/// <summary>What a process took.</summary>
internal readonly record struct ToolRun(double Seconds, double ProcessorSeconds, long MostBytes);

internal static class Bench
{
    /// <summary>How often each measurement is repeated. Fewer repetitions serve only to try a benchmark out.</summary>
    public static int Repetitions { get; set; } = 5;

    /// <summary>The two backbones that come with the project: a decoder and an encoder.</summary>
    public static readonly string[] Starters = ["smollm2-135m-instruct", "all-minilm-l6-v2"];

    /// <summary>
    /// The prompt behind which training reads a decoder's texts if its tokenizer puts nothing before them. To encoders it makes no difference.
    /// </summary>
    public const string LineBreakPrompt = "\n{text}";

    /// <summary>Backbones are found in the repository's own models.</summary>
    public static RuntimeOptions Runtime { get; } = new() { ModelFolders = [Path.Combine(Root(), "models")] };

    /// <summary>A number on the command line.</summary>
    public static int Number(string text) => int.Parse(text, CultureInfo.InvariantCulture);

    /// <summary>Texts of so many words, drawn from the sample data.</summary>
    public static string[] Texts(int count, int words, int seed = 1)
    {
        IEnumerable<string> lines = File.ReadAllLines(Path.Combine(Root(), "samples", "support-requests", "train.csv")).Skip(1);
        string[] all = [.. lines.SelectMany(line => line.Split([' ', ',', '"'], StringSplitOptions.RemoveEmptyEntries))];
        Random random = new(seed);
        return [.. Enumerable.Range(0, count).Select(_ => string.Join(' ', Enumerable.Range(0, words).Select(_ => all[random.Next(all.Length)])))];
    }

    /// <summary>The texts of a file.</summary>
    public static string[] ReadTexts(string file)
    {
        using TableReader table = TableReader.Open(file);
        int column = table.TextColumn();
        return [.. table.Rows().Select(row => table.Text(row, column) ?? "")];
    }

    /// <summary>The labelled texts of a file to train on, or a sample of so many.</summary>
    public static IReadOnlyList<LabeledText> ReadForTraining(string file, int? count = null)
    {
        LabeledTable table = LabeledTable.ReadForTraining(file);
        return (count is int most ? table.Sample(most, seed: 1) : table).Examples;
    }

    /// <summary>The labelled texts of a file to measure on.</summary>
    public static IReadOnlyList<LabeledText> ReadForTesting(string file) => LabeledTable.Read(file).Examples;

    /// <summary>The name of a data set: that of the folder that its file lies in.</summary>
    public static string DataSetOf(string file) => Path.GetFileName(Path.GetDirectoryName(Path.GetFullPath(file)))!;

    /// <summary>Tokens per second of an encoder that is warm.</summary>
    public static double Rate(TextEncoder encoder, string[] texts)
    {
        long start = Stopwatch.GetTimestamp();
        EncodingStatistics statistics = encoder.Encode(texts).Statistics;
        return statistics.Tokens / Stopwatch.GetElapsedTime(start).TotalSeconds;
    }

    /// <summary>Opens and compiles a backbone, so that the first measurement does not pay for it.</summary>
    public static TextEncoder Load(string backbone, Precision precision, string? depths = null, int maxTokens = 256)
    {
        EncoderOptions options = new() { Precision = precision, Views = ViewSelection.At(depths), MaxTokens = maxTokens };
        TextEncoder encoder = TextEncoder.Load(backbone, options, Runtime);
        encoder.Encode(Texts(64, 20, seed: 2));
        return encoder;
    }

    /// <summary>What <see cref="Inspection"/> says of reading a checkpoint.</summary>
    public static JsonNode Inspect(string backbone, ViewSelection views, RuntimeOptions runtime) =>
        JsonNode.Parse(Inspection.Of(backbone, new EncoderOptions { Views = views }, runtime).ToJson())!["would_run"]!;

    public static string StarterGguf() => Directory.GetFiles(Path.Combine(Root(), "models", Starters[0]), "*.gguf").Single();

    /// <summary>Runs a program in bench/peers. The last line that it prints is JSON.</summary>
    /// <param name="program">What to run.</param>
    /// <param name="arguments">Its arguments.</param>
    /// <param name="without">Variables of the environment that it does not get.</param>
    public static JsonNode Json(string program, string[] arguments, string[]? without = null)
    {
        ProcessStartInfo start = new(program, arguments)
        {
            RedirectStandardOutput = true,
            UseShellExecute = false,
            WorkingDirectory = Path.Combine(Root(), "bench", "peers"),
        };
        start.Environment["ORT_DISABLE_TELEMETRY"] = "1"; // ONNX Runtime under node must not report home either
        foreach (string variable in without ?? []) start.Environment.Remove(variable);
        using Process process = Process.Start(start)!;
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return JsonNode.Parse(output.Trim().Split('\n')[^1])!;
    }

    /// <summary>Runs llmembed in a process of its own, on the repository's models and with a folder of its own for the default cache.</summary>
    /// <param name="tool">A path of llmembed.dll.</param>
    /// <param name="cache">The folder.</param>
    /// <param name="arguments">The command and its arguments.</param>
    /// <exception cref="InvalidOperationException">It failed; what it wrote on standard error says why.</exception>
    public static ToolRun RunTool(string tool, DirectoryInfo cache, params string[] arguments) => RunTool(tool, cache, [0], arguments);

    /// <summary>The same for a command that may also end with other exit codes than 0.</summary>
    public static ToolRun RunTool(string tool, DirectoryInfo cache, int[] exitCodes, params string[] arguments)
    {
        ProcessStartInfo command = new("dotnet", [tool, .. arguments])
        {
            RedirectStandardOutput = true,
            UseShellExecute = false,
            Environment = { ["XDG_CACHE_HOME"] = cache.FullName, ["LLMEMBED_MODELS"] = Path.Combine(Root(), "models") },
        };
        long start = Stopwatch.GetTimestamp();
        using Process process = Process.Start(command)!;
        Task<string> output = process.StandardOutput.ReadToEndAsync();
        long most = 0;
        double processorSeconds = 0;
        while (!process.WaitForExit(TimeSpan.FromMilliseconds(5)))
        {
            most = Math.Max(most, MostMemoryOf(process));
            processorSeconds = Math.Max(processorSeconds, Ask(process, running => running.TotalProcessorTime).TotalSeconds);
        }
        double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        output.Wait();
        if (!exitCodes.Contains(process.ExitCode))
            throw new InvalidOperationException($"{tool} {arguments[0]} ended with {process.ExitCode}.");
        return new(seconds, processorSeconds, most);
    }

    /// <summary>
    /// The most bytes that a running process had in memory, pages of mapped files included, which the system can drop at any time; 0 once it has
    /// ended.
    /// </summary>
    public static long MostMemoryOf(Process process) => Ask(process, running => running.PeakWorkingSet64);

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

    /// <summary>What the system knows of a running process; 0 once it has ended.</summary>
    private static T Ask<T>(Process process, Func<Process, T> question)
        where T : struct
    {
        try
        {
            process.Refresh();
            return question(process);
        }
        catch (Exception exception) when (exception is InvalidOperationException or Win32Exception)
        {
            return default;
        }
    }
}
