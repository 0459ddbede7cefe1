using System.Globalization;
using LlmEmbed.Data;

namespace LlmEmbed.Benchmarks;

/// <summary>
/// How long two versions of the tool take to predict the same texts. Each trains its own classifier with its defaults, then whole processes predict
/// in turn, without embeddings of an earlier run.
/// </summary>
internal static class PredictionRate
{
    private const int PerClass = 20;

    /// <param name="before">llmembed.dll of the earlier version.</param>
    /// <param name="after">llmembed.dll of the later version.</param>
    /// <param name="trainingFile">The examples are drawn from these.</param>
    /// <param name="texts">What is predicted.</param>
    public static int Run(string before, string after, string trainingFile, string texts)
    {
        DirectoryInfo folder = Directory.CreateTempSubdirectory("llmembed-bench-");
        try
        {
            string drawn = Path.Combine(folder.FullName, "train.csv");
            Write(Draws.OfEachClass(Bench.ReadForTraining(trainingFile), PerClass, seed: 0), drawn);
            ToolVersion[] versions = [new(before, folder.CreateSubdirectory("before")), new(after, folder.CreateSubdirectory("after"))];
            foreach (ToolVersion version in versions)
            {
                version.Run("train", "--data", drawn, "--output", version.Model);
                version.Run("predict", version.Model, "Any text will do."); // quantizes what training did not read at this precision
            }
            Measurement ratio = new(), processorRatio = new();
            for (int i = 0; i < Bench.Repetitions; i++)
            {
                // Whoever comes second finds the machine as the first left it, so that they take turns in that too.
                foreach (ToolVersion version in i % 2 == 0 ? versions : versions.Reverse()) version.Predict(texts);
                ratio.Add(versions[1].Seconds.Last / versions[0].Seconds.Last);
                processorRatio.Add(versions[1].ProcessorSeconds.Last / versions[0].ProcessorSeconds.Last);
                Console.Error.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{i + 1} of {Bench.Repetitions}: ratio {ratio.Last:0.000}"));
            }
            return Bench.Table(
                $"`llmembed predict` on {Bench.ReadTexts(texts).Length:N0} texts, both versions trained on {PerClass} texts a class of " +
                    $"{Bench.DataSetOf(trainingFile)}; whole processes in turn, median of {Bench.Repetitions} repetitions (range).",
                ["", "before", "after", "after / before"],
                [
                    ["seconds", versions[0].Seconds.Show("0.0"), versions[1].Seconds.Show("0.0"), ratio.Show("0.000")],
                    [
                        "processor seconds", versions[0].ProcessorSeconds.Show("0.0"), versions[1].ProcessorSeconds.Show("0.0"),
                        processorRatio.Show("0.000"),
                    ],
                ]);
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    private static void Write(LabeledText[] examples, string file)
    {
        using TableWriter writer = TableWriter.Create(file, ["text", "label"], TableFormat.Csv);
        foreach (LabeledText example in examples) writer.Write([example.Text, example.Label]);
        writer.Commit();
    }

    /// <summary>A version of the tool, with a folder of its own for its classifier and for what it keeps.</summary>
    private sealed record ToolVersion(string Tool, DirectoryInfo Folder)
    {
        public Measurement Seconds { get; } = new();

        /// <summary>Of all threads together. On a busy machine they tell versions apart where seconds do not.</summary>
        public Measurement ProcessorSeconds { get; } = new();

        public string Model { get; } = Path.Combine(Folder.FullName, "model");

        public void Predict(string texts)
        {
            ToolRun run = Run("predict", Model, "--data", texts, "--output", Path.Combine(Folder.FullName, "predictions.csv"));
            Seconds.Add(run.Seconds);
            ProcessorSeconds.Add(run.ProcessorSeconds);
        }

        public ToolRun Run(params string[] arguments) => Bench.RunTool(Tool, Folder, arguments);
    }
}
