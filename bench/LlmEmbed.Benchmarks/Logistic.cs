using System.Diagnostics;
using System.Globalization;
using System.Numerics.Tensors;
using System.Runtime.InteropServices;
using System.Text.Json.Nodes;
using LlmEmbed.Learning;

namespace LlmEmbed.Benchmarks;

/// <summary>The library's logistic regression beside scikit-learn's: same features, same penalty, same objective within 1e-4.</summary>
internal static class Logistic
{
    private const double C = 0.005, LargestExcess = 1e-4;

    private const int Seed = 7;

    /// <summary>The solvers of scikit-learn that suit many rows and not too many features.</summary>
    private static readonly string[] Solvers = ["lbfgs", "newton-cholesky"];

    private static readonly string[] Tolerances = ["1e-1", "1e-2", "1e-3", "1e-4", "1e-5", "1e-6"];

    /// <summary>Factors that synthetic features share. Features of language models are correlated, which is why a fit takes many steps.</summary>
    private const int Factors = 64;

    /// <param name="size">
    /// Nothing for the size of sst2 with the default views; a labelled file of two classes; or rows and columns of synthetic features.
    /// </param>
    public static int Run(string[] size)
    {
        (float[] values, int[] classes) = size switch
        {
            [] => Synthetic(67_349, 1_920),
            [string file] => Extract(file),
            [string rows, string columns] => Synthetic(Number(rows), Number(columns)),
            _ => throw new ArgumentException("Expected nothing, a file, or rows and columns.", nameof(size)),
        };
        static int Number(string text) => int.Parse(text, CultureInfo.InvariantCulture);
        int rowCount = classes.Length, columnCount = values.Length / rowCount;
        DirectoryInfo folder = Directory.CreateTempSubdirectory("llmembed-bench-");
        string features = Path.Combine(folder.FullName, "features.npy"), labels = Path.Combine(folder.FullName, "labels.npy");
        WriteNumPy(features, "<f4", $"({rowCount}, {columnCount})", values);
        WriteNumPy(labels, "<i4", $"({rowCount},)", classes);

        double ours = FeatureClassifier.Train(values, classes, C).Objective;
        (string Solver, string Tolerance)[] peers = [.. Solvers.Select(solver => (solver, LoosestTolerance(solver, ours)))];
        Measurement mine = new();
        string blas = "";
        Dictionary<string, (Measurement Time, double Objective)> theirs = peers.ToDictionary(NameOf, _ => (new Measurement(), 0.0));
        for (int i = 0; i < Bench.Repetitions; i++)
        {
            long start = Stopwatch.GetTimestamp();
            _ = FeatureClassifier.Train(values, classes, C);
            mine.Add(Stopwatch.GetElapsedTime(start).TotalSeconds);
            foreach ((string Solver, string Tolerance) peer in peers)
            {
                JsonNode result = Peer(peer.Solver, peer.Tolerance);
                Measurement time = theirs[NameOf(peer)].Time;
                blas = (string)result["blas"]!;
                time.Add((double)result["seconds"]!);
                theirs[NameOf(peer)] = (time, (double)result["objective"]!);
            }
        }
        folder.Delete(recursive: true);
        string source = size is [_] ? Path.GetFileName(size[0]) : $"synthetic, seed {Seed}";
        return Bench.Table(
            string.Create(CultureInfo.InvariantCulture, $"Logistic regression, {rowCount:N0} × {columnCount:N0} features ({source}), C = {C}, ") +
                $"standardization included; median of {Bench.Repetitions} repetitions (range), in turn.",
            ["", "seconds", "objective", "we are faster by"],
            [["LlmEmbed", mine.Show("0.00"), Show(ours), ""], .. theirs.Select(pair => RowOf(pair.Key, pair.Value.Time, pair.Value.Objective))]);

        string[] RowOf(string name, Measurement time, double objective)
        {
            string faster = (time.Median / mine.Median).ToString("0.00", CultureInfo.InvariantCulture);
            return [$"scikit-learn ({blas}) {name}", time.Show("0.00"), Show(objective), faster];
        }

        static string NameOf((string Solver, string Tolerance) peer) => $"{peer.Solver}, tol {peer.Tolerance}";

        // Variables of the environment that were set for other programs would slow its products down.
        JsonNode Peer(string solver, string tolerance) => Bench.Json(
            "/usr/bin/python3",
            ["logistic.py", features, labels, C.ToString(CultureInfo.InvariantCulture), solver, tolerance],
            without: ["OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"]);

        // The loosest tolerance that ends where the library ends: a user who wants this objective would choose it.
        string LoosestTolerance(string solver, double objective)
        {
            double most = objective * (1 + LargestExcess);
            return Tolerances.FirstOrDefault(tolerance => (double)Peer(solver, tolerance)["objective"]! <= most) ?? Tolerances[^1];
        }
    }

    private static string Show(double objective) => objective.ToString("0.0000", CultureInfo.InvariantCulture);

    private static (float[] Features, int[] Labels) Synthetic(int rows, int columns)
    {
        float[] directions = Normal(new Random(Seed), (Factors + 1) * columns), values = new float[(long)rows * columns];
        int[] labels = new int[rows];
        Parallel.For(0, rows, row =>
        {
            Random random = new(Seed + 1 + row);
            Span<float> features = values.AsSpan(row * columns, columns);
            Normal(random, columns).CopyTo(features);
            foreach ((int factor, float weight) in Normal(random, Factors).Index())
                TensorPrimitives.MultiplyAdd(directions.AsSpan(factor * columns, columns), weight / MathF.Sqrt(factor + 1), features, features);
            ReadOnlySpan<float> signalDirection = directions.AsSpan(Factors * columns, columns);
            float signal = TensorPrimitives.Dot(features, signalDirection) / TensorPrimitives.Norm<float>(features);
            labels[row] = signal + Normal(random, 1)[0] > 0 ? 1 : 0;
        });
        return (values, labels);
    }

    private static float[] Normal(Random random, int count)
    {
        float[] values = new float[count];
        for (int i = 0; i < count; i++)
            values[i] = MathF.Sqrt(-2 * MathF.Log(1 - random.NextSingle())) * MathF.Cos(2 * MathF.PI * random.NextSingle());
        return values;
    }

    /// <summary>Both starters at depths that give 1,920 features.</summary>
    private static (float[] Features, int[] Labels) Extract(string file)
    {
        IReadOnlyList<LabeledText> examples = Bench.ReadForTraining(file);
        string[] labels = [.. examples.Select(example => example.Label).Distinct().Order(StringComparer.Ordinal)];
        string[] texts = [.. examples.Select(example => example.Text)];
        using TextEncoder decoder = Bench.Load(Bench.Starters[0], Precision.Int8, "15,24"), encoder = Bench.Load(Bench.Starters[1], Precision.Int8);
        TextEmbeddings[] parts = [decoder.Encode(texts), encoder.Encode(texts)];
        float[] features = [.. Enumerable.Range(0, texts.Length).SelectMany(text => parts.SelectMany(part => part[text].ToArray()))];
        return (features, [.. examples.Select(example => Array.IndexOf(labels, example.Label))]);
    }

    /// <summary>Version 1.0 of NumPy's file format.</summary>
    private static void WriteNumPy<T>(string path, string type, string shape, T[] values)
        where T : unmanaged
    {
        const int HeaderLength = 118; // with the ten bytes before it a multiple of 64
        using FileStream stream = File.Create(path);
        stream.Write([0x93, (byte)'N', (byte)'U', (byte)'M', (byte)'P', (byte)'Y', 1, 0, HeaderLength, 0]);
        string header = $"{{'descr': '{type}', 'fortran_order': False, 'shape': {shape}, }}";
        stream.Write(System.Text.Encoding.ASCII.GetBytes(header.PadRight(HeaderLength - 1) + "\n"));
        foreach (T[] part in values.Chunk(1 << 20)) stream.Write(MemoryMarshal.AsBytes<T>(part));
    }
}
