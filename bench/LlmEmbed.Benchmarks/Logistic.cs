using System.Diagnostics;
using System.Globalization;
using System.Numerics.Tensors;
using System.Runtime.InteropServices;
using System.Text.Json.Nodes;
using LlmEmbed.Data;
using LlmEmbed.Learning;
using LlmEmbed.Reading;

namespace LlmEmbed.Benchmarks;

/// <summary>Our logistic regression beside scikit-learn's: same features, same penalty, same objective within 1e-4.</summary>
internal static class Logistic
{
    private const double C = 0.005, LargestExcess = 1e-4;

    private const int Seed = 7;

    /// <summary>Those that suit many rows and not too many features.</summary>
    private static readonly string[] Solvers = ["lbfgs", "newton-cholesky"];

    private static readonly string[] Tolerances = ["1e-1", "1e-2", "1e-3", "1e-4", "1e-5", "1e-6"];

    /// <summary>Factors that synthetic features share: features of language models are correlated, and that is what makes a fit take many steps.</summary>
    private const int Factors = 64;

    /// <param name="size">Nothing for the size of sst2 with the default views; a labelled file of two classes; or rows and columns of synthetic features.</param>
    public static int Run(string[] size)
    {
        HeadTrainingData data = size switch
        {
            [] => Synthetic(67_349, 1_920),
            [string file] => Extract(file),
            [string rows, string columns] => Synthetic(int.Parse(rows, CultureInfo.InvariantCulture), int.Parse(columns, CultureInfo.InvariantCulture)),
            _ => throw new ArgumentException("Nothing, a file, or rows and columns.", nameof(size)),
        };
        DirectoryInfo folder = Directory.CreateTempSubdirectory("llmembed-bench-");
        string features = Path.Combine(folder.FullName, "features.npy"), labels = Path.Combine(folder.FullName, "labels.npy");
        WriteNumPy<float>(features, "<f4", $"({data.Rows}, {data.Features.Columns})", Enumerable.Range(0, data.Rows).Select(row => data.Features.Block(row, 1)));
        WriteNumPy<int>(labels, "<i4", $"({data.Rows},)", [data.Labels]);

        double ours = LinearHeadTrainer.Train(data, new LinearOptions { Penalties = [C] }).Objective;
        (string Solver, string Tolerance)[] peers = [.. Solvers.Select(solver => (solver, LoosestTolerance(solver, ours)))];
        Measurement mine = new();
        string blas = "";
        Dictionary<string, (Measurement Time, double Objective)> theirs = peers.ToDictionary(peer => $"{peer.Solver}, tol {peer.Tolerance}", _ => (new Measurement(), 0.0));
        for (int i = 0; i < Bench.Repetitions; i++)
        {
            long start = Stopwatch.GetTimestamp();
            _ = LinearHeadTrainer.Train(data, new LinearOptions { Penalties = [C] });
            mine.Add(Stopwatch.GetElapsedTime(start).TotalSeconds);
            foreach ((string solver, string tolerance) in peers)
            {
                JsonNode result = Peer(solver, tolerance);
                string name = $"{solver}, tol {tolerance}";
                blas = (string)result["blas"]!;
                theirs[name].Time.Add((double)result["seconds"]!);
                theirs[name] = (theirs[name].Time, (double)result["objective"]!);
            }
        }
        folder.Delete(recursive: true);
        return Bench.Table(
            string.Create(CultureInfo.InvariantCulture, $"Logistic regression, {data.Rows:N0} × {data.Features.Columns:N0} features ({(size is [_] ? Path.GetFileName(size[0]) : $"synthetic, seed {Seed}")}), C = {C}, standardisation included; median of {Bench.Repetitions} repetitions (range), in turn."),
            ["", "seconds", "objective", "we are faster by"],
            [
                ["LlmEmbed", mine.Show("0.00"), Show(ours), ""],
                .. theirs.Select(pair => new[] { $"scikit-learn ({blas}) {pair.Key}", pair.Value.Time.Show("0.00"), Show(pair.Value.Objective), (pair.Value.Time.Median / mine.Median).ToString("0.00", CultureInfo.InvariantCulture) }),
            ]);

        JsonNode Peer(string solver, string tolerance) =>
            // Settings of the machine for other programs would slow its products down.
            Bench.Json("/usr/bin/python3", ["logistic.py", features, labels, C.ToString(CultureInfo.InvariantCulture), solver, tolerance], without: ["OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"]);

        // The loosest that ends where we end: what its user would choose who wants this objective.
        string LoosestTolerance(string solver, double objective) => Tolerances.FirstOrDefault(tolerance => (double)Peer(solver, tolerance)["objective"]! <= objective * (1 + LargestExcess)) ?? Tolerances[^1];
    }

    private static string Show(double objective) => objective.ToString("0.0000", CultureInfo.InvariantCulture);

    private static HeadTrainingData Synthetic(int rows, int columns)
    {
        float[] directions = Normal(new Random(Seed), (Factors + 1) * columns), values = new float[(long)rows * columns];
        int[] labels = new int[rows];
        Parallel.For(0, rows, row =>
        {
            Random random = new(HashCode.Combine(Seed, row));
            Span<float> features = values.AsSpan(row * columns, columns);
            Normal(random, columns).CopyTo(features);
            foreach ((int factor, float weight) in Normal(random, Factors).Index())
                TensorPrimitives.MultiplyAdd(directions.AsSpan(factor * columns, columns), weight / MathF.Sqrt(factor + 1), features, features);
            float signal = TensorPrimitives.Dot<float>(features, directions.AsSpan(Factors * columns, columns)) / TensorPrimitives.Norm<float>(features);
            labels[row] = signal + Normal(random, 1)[0] > 0 ? 1 : 0;
        });
        return new HeadTrainingData(new ArrayFeatures(values, rows, columns), labels, 2, new FeatureLayout([new FeatureView("synthetic", 0, Pooling.Mean, 0, columns)]));
    }

    private static float[] Normal(Random random, int count)
    {
        float[] values = new float[count];
        for (int i = 0; i < count; i++) values[i] = MathF.Sqrt(-2 * MathF.Log(1 - random.NextSingle())) * MathF.Cos(2 * MathF.PI * random.NextSingle());
        return values;
    }

    /// <summary>Both starters at depths that give 1,920 features.</summary>
    private static HeadTrainingData Extract(string file)
    {
        IReadOnlyList<LabeledText> examples = LabeledTableReader.ReadForTraining(file, new LabeledTableOptions()).Examples;
        string[] labels = ClassLabels.Of(examples);
        using TextEncoder decoder = Bench.Load(Bench.Starters[0], Precision.Int8, "15,24"), encoder = Bench.Load(Bench.Starters[1], Precision.Int8);
        FeatureLayout layout = Fusion.LayoutOf([decoder, encoder]);
        ArrayFeatures features = new(new float[examples.Count * layout.FeatureCount], examples.Count, layout.FeatureCount);
        _ = Fusion.Read([decoder, encoder], [.. examples.Select(example => example.Text)], features.RowTarget, progress: null, CancellationToken.None);
        return new HeadTrainingData(features, ClassLabels.IndexesOf(examples, labels), labels.Length, layout);
    }

    /// <summary>Version 1.0 of NumPy's file format.</summary>
    private static void WriteNumPy<T>(string path, string type, string shape, IEnumerable<Memory<T>> parts)
        where T : unmanaged
    {
        const int HeaderLength = 118; // with the ten bytes before it a multiple of 64
        using FileStream stream = File.Create(path);
        stream.Write([0x93, (byte)'N', (byte)'U', (byte)'M', (byte)'P', (byte)'Y', 1, 0, HeaderLength, 0]);
        stream.Write(System.Text.Encoding.ASCII.GetBytes($"{{'descr': '{type}', 'fortran_order': False, 'shape': {shape}, }}".PadRight(HeaderLength - 1) + "\n"));
        foreach (Memory<T> part in parts) stream.Write(MemoryMarshal.AsBytes(part.Span));
    }
}
