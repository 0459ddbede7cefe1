using System.Globalization;
using System.Numerics.Tensors;
using System.Text.Json;
using LlmEmbed.Checkpoints;
using LlmEmbed.Graphs;
using LlmEmbed.Storage;

namespace LlmEmbed.Backbones;

/// <summary>What an engine is made for.</summary>
/// <param name="Views">The D views.</param>
/// <param name="MaxTokens">The longest T of any run.</param>
/// <param name="PadTo">Fixed T, or null.</param>
/// <param name="Threads">Engine threads, 0 for one per physical core.</param>
/// <param name="Precision">What was asked for.</param>
/// <param name="Folder">Where quantized weights are kept, null for nowhere.</param>
internal sealed record EngineOptions(IReadOnlyList<View> Views, int MaxTokens, int? PadTo, int Threads, Precision Precision, string? Folder);

/// <summary>
/// Chooses the precision and compiles the backbone in it, when it is first needed. Quantized weights are kept on disk, so that only the first start of all quantizes;
/// the next ones map the file.
/// </summary>
internal sealed class EncoderEngine : IDisposable
{
    /// <summary>The scheme of the quantized weights; part of the names of kept files.</summary>
    private const string Version = "1";

    private readonly Checkpoint _checkpoint;
    private readonly Backbone _backbone;
    private readonly Func<string, int[]> _tokenize;
    private readonly EngineOptions _options;
    private readonly string _weightsKey;
    private readonly Lazy<EncoderSession> _session;
    private Int8Weights? _weights;

    /// <summary>The session that the choice of the precision had to compile; used if int8 was chosen.</summary>
    private EncoderSession? _int8;

    /// <param name="checkpoint">Must outlive the engine.</param>
    /// <param name="backbone">The architecture over it.</param>
    /// <param name="tokenize">Ids of one of the built-in sentences.</param>
    /// <param name="identity">Differs wherever weights or tokenizer differ.</param>
    /// <param name="options">What it is made for.</param>
    public EncoderEngine(Checkpoint checkpoint, Backbone backbone, Func<string, int[]> tokenize, string identity, EngineOptions options)
    {
        (_checkpoint, _backbone, _tokenize, _options) = (checkpoint, backbone, tokenize, options);
        _weightsKey = new EncoderFingerprint(
            ("int8", Version), ("backbone", identity), ("depth", Depth.ToString(CultureInfo.InvariantCulture)), ("steps", Int8Weights.Steps.ToString(CultureInfo.InvariantCulture))).Sha256;
        (Precision, Reason) = options.Precision == Precision.Auto ? Choose() : (options.Precision, "");
        _session = new(() => Precision == Precision.Int8 && _int8 is { } compiled ? compiled : Compile(Precision));
    }

    /// <summary>Fp32 or int8.</summary>
    public Precision Precision { get; }

    /// <summary>Why, in words for people; empty where the precision was asked for.</summary>
    public string Reason { get; }

    private int Depth => _options.Views.Max(view => view.Depth);

    /// <inheritdoc cref="EncoderSession.Run"/>
    public void Run(IReadOnlyList<int[]> batch, Span<float> destination) => _session.Value.Run(batch, destination);

    public void Dispose()
    {
        if (_session.IsValueCreated && _session.Value != _int8) _session.Value.Dispose();
        _int8?.Dispose();
        _weights?.Dispose();
    }

    private EncoderSession Compile(Precision precision)
    {
        OnnxGraph graph = new();
        Layers layers = precision == Precision.Int8 ? new Int8Layers(_checkpoint, graph, _weights ??= LoadWeights()) : new Float32Layers(_checkpoint, graph);
        return new EncoderSession(_backbone, layers, _options.Views, _options.MaxTokens, _options.PadTo, _options.Threads);
    }

    private Int8Weights LoadWeights()
    {
        if (_options.Folder is not string folder) return QuantizeWeights();
        string path = Path.Combine(folder, "weights", $"{_weightsKey}.safetensors");
        try
        {
            if (File.Exists(path)) return Int8Weights.Open(path);
        }
        catch (LlmEmbedException)
        {
            // Damaged: it is made again from the checkpoint.
        }
        Int8Weights weights = QuantizeWeights();
        TryWrite(path, weights.Save);
        return weights;
    }

    /// <summary>A full or read-only disk costs the next start its time, not this one its work.</summary>
    private static void TryWrite(string path, Action<string> write)
    {
        try
        {
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            write(path);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or LlmEmbedException)
        {
        }
    }

    private Int8Weights QuantizeWeights() => Int8Weights.Quantize(_checkpoint, _backbone, Depth, Tokenize(Calibration.Sentences), _options.Threads);

    /// <summary>Keeps the outcome beside the weights: it takes both precisions to find.</summary>
    private (Precision Precision, string Reason) Choose()
    {
        if (Depth == 0) return (Precision.Fp32, "no block runs");
        double[] similarities = KeptSimilarities() ?? MeasureSimilarities();
        double least = similarities.Min();
        Precision precision = least >= Calibration.LeastSimilarity ? Precision.Int8 : Precision.Fp32;
        return (precision, string.Create(CultureInfo.InvariantCulture, $"centred cosine of int8 with fp32 {least:0.000}"));
    }

    private string? SimilaritiesPath()
    {
        string views = string.Join('-', _options.Views.Select(view => $"{view.Depth}{PoolingNames.NameOf(view.Pooling)}"));
        string key = new EncoderFingerprint(("weights", _weightsKey), ("views", views), ("pad_to", $"{_options.PadTo}"), ("max_tokens", $"{_options.MaxTokens}")).Sha256;
        return _options.Folder is string folder ? Path.Combine(folder, "weights", $"{key}.json") : null;
    }

    private double[]? KeptSimilarities()
    {
        if (SimilaritiesPath() is not string path || !File.Exists(path)) return null;
        try
        {
            double[]? kept = JsonSerializer.Deserialize<double[]>(File.ReadAllBytes(path));
            return kept?.Length == _options.Views.Count ? kept : null;
        }
        catch (JsonException)
        {
            return null;
        }
    }

    /// <summary>For each view the mean cosine, over the built-in texts, of what the two precisions give, with the mean of the texts taken off.</summary>
    private double[] MeasureSimilarities()
    {
        int[][] texts = Tokenize(Calibration.CheckedSentences);
        float[] exact;
        using (EncoderSession session = Compile(Precision.Fp32)) exact = RunAll(session, texts);
        _int8 = Compile(Precision.Int8);
        float[] quantized = RunAll(_int8, texts);
        int size = _backbone.HiddenSize, row = _options.Views.Count * size;
        double[] similarities = [.. _options.Views.Select((_, view) =>
        {
            float[] mean = new float[size];
            for (int text = 0; text < texts.Length; text++) TensorPrimitives.Add(mean, exact.AsSpan(text * row + view * size, size), mean);
            TensorPrimitives.Divide(mean, texts.Length, mean);
            return Enumerable.Range(0, texts.Length).Average(text =>
            {
                Span<float> a = exact.AsSpan(text * row + view * size, size), b = quantized.AsSpan(text * row + view * size, size);
                TensorPrimitives.Subtract(a, mean, a);
                TensorPrimitives.Subtract(b, mean, b);
                return (double)TensorPrimitives.CosineSimilarity<float>(a, b);
            });
        })];
        if (SimilaritiesPath() is string path) TryWrite(path, file => AtomicFile.WriteText(file, JsonSerializer.Serialize(similarities)));
        return similarities;
    }

    private float[] RunAll(EncoderSession session, int[][] texts)
    {
        int row = _options.Views.Count * _backbone.HiddenSize;
        float[] values = new float[texts.Length * row];
        for (int text = 0; text < texts.Length; text++) session.Run([texts[text]], values.AsSpan(text * row, row));
        return values;
    }

    private int[][] Tokenize(IReadOnlyList<string> sentences) => [.. sentences.Select(_tokenize).Where(ids => ids.Length > 0)];
}
