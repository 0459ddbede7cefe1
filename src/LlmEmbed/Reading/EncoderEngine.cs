using System.Collections.Concurrent;
using System.Globalization;
using System.Numerics.Tensors;
using System.Runtime.ExceptionServices;
using System.Text.Json;
using LlmEmbed.Checkpoints;
using LlmEmbed.Engine;
using LlmEmbed.Files;
using LlmEmbed.Models;

namespace LlmEmbed.Reading;

/// <summary>What an engine is made for.</summary>
/// <param name="Views">The D views.</param>
/// <param name="MaxTokens">The longest T of any run.</param>
/// <param name="PadTo">Fixed T, or null.</param>
/// <param name="Threads">Engine threads.</param>
/// <param name="Precision">What was asked for.</param>
/// <param name="MemoryBytes">What may be used, null for all there is.</param>
/// <param name="Folder">Where quantized weights are kept, null for nowhere.</param>
/// <param name="Prompt">What stands around every text.</param>
/// <param name="AttentionQuery">[H], for <see cref="Pooling.Attention"/>.</param>
internal sealed record EngineOptions(
    IReadOnlyList<View> Views, int MaxTokens, int? PadTo, int Threads, Precision Precision, long? MemoryBytes, string? Folder, PromptSpan Prompt = default, float[]? AttentionQuery = null);

/// <summary>
/// Chooses the precision and compiles the backbone in it, when it is first needed. Quantized weights are kept on disk, so that only the first start of all quantizes;
/// the next ones map the file.
/// </summary>
internal sealed class EncoderEngine : IDisposable
{
    /// <summary>What may be in memory twice.</summary>
    private const long MostBytesTwice = 2L << 30;

    private readonly Checkpoint _checkpoint;
    private readonly Backbone _backbone;
    private readonly Func<string, int[]> _tokenize, _tokenizePrompted;
    private readonly EngineOptions _options;
    private readonly string _weightsKey;
    private Int8Weights? _weights;

    /// <summary>All blocks compiled, where they are in memory together.</summary>
    private CompiledBlocks? _compiled;

    /// <summary>Holds quantized weights that must not be in memory and have no folder of their own.</summary>
    private DirectoryInfo? _temporary;

    /// <param name="checkpoint">Must outlive the engine.</param>
    /// <param name="backbone">The architecture over it.</param>
    /// <param name="tokenize">Ids of one of the built-in sentences, alone: quantized weights do not depend on a prompt.</param>
    /// <param name="tokenizePrompted">The same as the texts will be read.</param>
    /// <param name="identity">Differs wherever weights or tokenizer differ.</param>
    /// <param name="options">What it is made for.</param>
    public EncoderEngine(Checkpoint checkpoint, Backbone backbone, Func<string, int[]> tokenize, Func<string, int[]> tokenizePrompted, string identity, EngineOptions options)
    {
        (_checkpoint, _backbone, _tokenize, _tokenizePrompted, _options) = (checkpoint, backbone, tokenize, tokenizePrompted, options);
        _weightsKey = new EncoderFingerprint(
            ("int8", Int8Weights.Scheme), ("backbone", identity), ("steps", Int8Weights.Steps.ToString(CultureInfo.InvariantCulture))).Sha256;
        (Precision, Reason) = options.Precision == Precision.Auto ? Choose() : (options.Precision, "");
        Plan = PlanOf(Precision);
    }

    /// <summary>Fp32 or int8.</summary>
    public Precision Precision { get; }

    /// <summary>Why, in words for people; empty where the precision was asked for.</summary>
    public string Reason { get; }

    private int Depth => _options.Views.Max(view => view.Depth);

    public MemoryPlan Plan { get; }

    /// <summary>Tokens at the beginning of every text that are read once and not again.</summary>
    public int PrefixLength => Plan.IsStreamed ? 0 : KeptPrefix;

    /// <summary>Only a decoder's states do not depend on what follows. Blocks that are loaded in turn would have to be loaded twice for this.</summary>
    private int KeptPrefix => _backbone.IsDecoder && Depth > 0 && _options.Views.All(view => view.Pooling != Pooling.First) ? _options.Prompt.Before : 0;

    /// <summary>Runs batches.</summary>
    /// <param name="batches">Token ids of the texts of each batch, none empty.</param>
    /// <param name="done">Told each batch's index and its pooled states [B,D,H], of one batch at a time, in any order.</param>
    /// <param name="cancellationToken">Stops between two batches.</param>
    /// <param name="tokens">For each batch who is told its states token by token, of several batches at once; null where nobody is. Not where blocks are loaded in turn.</param>
    /// <param name="tokensAt">The depth of these states.</param>
    public void Run(IReadOnlyList<int[][]> batches, Action<int, float[]> done, CancellationToken cancellationToken, Func<int, TokenTarget>? tokens = null, int? tokensAt = null) =>
        Run(Precision, batches, done, cancellationToken, tokens, tokensAt);

    /// <summary>The backbone's layers in the engine's precision, for another graph of the same blocks. The engine must outlive its session.</summary>
    public Layers LayersFor(OnnxGraph graph) => LayersFor(graph, Precision);

    public void Dispose()
    {
        _compiled?.Dispose();
        _weights?.Dispose();
        _temporary?.Delete(recursive: true);
    }

    private MemoryPlan PlanOf(Precision precision) => MemoryPlan.Of(_backbone, Depth, precision, _options.MemoryBytes);

    private void Run(
        Precision precision, IReadOnlyList<int[][]> batches, Action<int, float[]> done, CancellationToken cancellationToken, Func<int, TokenTarget>? tokens = null, int? tokensAt = null)
    {
        MemoryPlan plan = PlanOf(precision);
        int row = _options.Views.Count * _backbone.HiddenSize;
        if (!plan.IsStreamed)
        {
            int lanes = LanesFor(plan, batches.Count);
            EncoderSession session = Compiled(precision, plan.Runs[0], batches, tokensAt, _options.Threads / lanes);
            Lock oneAtATime = new();
            InLanes(batches.Count, lanes, i =>
            {
                float[] pooled = new float[batches[i].Length * row]; // [B,D,H]
                session.Run(batches[i], pooled, tokens: tokens?.Invoke(i));
                lock (oneAtATime) done(i, pooled);
            }, cancellationToken);
            return;
        }
        float[][] states = new float[batches.Count][], results = [.. batches.Select(batch => new float[batch.Length * row])];
        foreach (BlockRange blocks in plan.Runs)
        {
            using EncoderSession session = Compile(precision, blocks, _options.Threads);
            for (int i = 0; i < batches.Count; i++)
            {
                cancellationToken.ThrowIfCancellationRequested();
                session.Run(batches[i], results[i], states[i] ??= new float[batches[i].Length * session.LengthOf(batches[i]) * _backbone.HiddenSize]);
            }
        }
        for (int i = 0; i < batches.Count; i++) done(i, results[i]);
    }

    /// <summary>
    /// How many batches are computed at once, by a thread each: threads that share a batch wait for each other after every product and every pass, and for the one whose core
    /// a neighbour disturbs. Few batches go one after the other through all threads. So do all batches of large networks, since this may take a second copy of the weights.
    /// </summary>
    private int LanesFor(MemoryPlan plan, int batches) =>
        batches >= 2 * _options.Threads && plan.Bytes <= Math.Min(MostBytesTwice, _options.MemoryBytes / 2 ?? long.MaxValue) ? _options.Threads : 1;

    /// <summary>Works on every batch once, on several at a time, the first ones first.</summary>
    private static void InLanes(int batches, int lanes, Action<int> work, CancellationToken cancellationToken)
    {
        ParallelOptions options = new() { MaxDegreeOfParallelism = lanes, CancellationToken = cancellationToken };
        try
        {
            Parallel.ForEach(Partitioner.Create(Enumerable.Range(0, batches), EnumerablePartitionerOptions.NoBuffering), options, work);
        }
        catch (AggregateException exception)
        {
            ExceptionDispatchInfo.Throw(exception.InnerExceptions[0]);
        }
    }

    /// <summary>The session of all blocks, kept for the next run. Compiling reads the weights: whoever finds everything in a store never pays for it.</summary>
    private EncoderSession Compiled(Precision precision, BlockRange blocks, IReadOnlyList<int[][]> batches, int? tokensAt, int threads)
    {
        lock (_options)
        {
            if (_compiled is null || _compiled.Precision != precision || _compiled.TokensAt != tokensAt)
            {
                _compiled?.Dispose();
                _compiled = null;
                if (precision == Precision.Fp32)
                {
                    // They were made to compare the two precisions, and int8 was not close enough.
                    _weights?.Dispose();
                    _weights = null;
                }
                PromptPrefix? prefix = KeptPrefix > 0 ? PromptPrefix.Read(_backbone, LayersFor(new OnnxGraph(), precision), Depth, batches[0][0][..KeptPrefix], _options.Threads) : null;
                _compiled = new CompiledBlocks(precision, tokensAt, prefix);
            }
            if (!_compiled.ByThreads.TryGetValue(threads, out EncoderSession? session))
                _compiled.ByThreads.Add(threads, session = Compile(precision, blocks, threads, _compiled.Prefix, tokensAt));
            return session;
        }
    }

    private EncoderSession Compile(Precision precision, BlockRange blocks, int threads, PromptPrefix? prefix = null, int? tokensAt = null)
    {
        Layers layers = LayersFor(new OnnxGraph(), precision);
        return new EncoderSession(_backbone, layers, blocks, _options.Views, _options.MaxTokens, _options.PadTo, threads, _options.Prompt, prefix, _options.AttentionQuery, tokensAt);
    }

    private Layers LayersFor(OnnxGraph graph, Precision precision) =>
        precision == Precision.Int8 ? new Int8Layers(_checkpoint, graph, _weights ??= LoadWeights()) : new Float32Layers(_checkpoint, graph);

    private Int8Weights LoadWeights()
    {
        string? parent = _options.Folder is string kept ? Path.Combine(kept, "weights") : null;
        if (parent is null && PlanOf(Precision.Int8).IsStreamed) parent = (_temporary = Directory.CreateTempSubdirectory("llmembed-")).FullName;
        int[][] sentences = Tokenize(Calibration.Sentences, _tokenize);
        if (parent is null) return Int8Weights.Quantize(_checkpoint, _backbone, Depth, sentences, _options.Threads);

        string folder = Path.Combine(parent, _weightsKey[..16]);
        string PathOf(int block) => Path.Combine(folder, $"block-{block:000}.safetensors");
        try
        {
            string[] paths = [.. Enumerable.Range(0, Depth).Select(PathOf)];
            if (paths.All(File.Exists)) return Int8Weights.Open(paths);
        }
        catch (LlmEmbedException)
        {
            // Damaged: they are made again from the checkpoint.
        }
        try
        {
            Directory.CreateDirectory(folder);
            return Int8Weights.Quantize(_checkpoint, _backbone, Depth, sentences, _options.Threads, PathOf);
        }
        catch (Exception exception) when (_temporary is null && Wraps<IOException>(exception) | Wraps<UnauthorizedAccessException>(exception))
        {
            // A full or read-only disk costs the next start its time, not this one its work.
            return Int8Weights.Quantize(_checkpoint, _backbone, Depth, sentences, _options.Threads);
        }
    }

    private static bool Wraps<T>(Exception exception)
        where T : Exception => exception is T || exception.InnerException is T;

    /// <summary>Keeps the outcome beside the weights: it takes both precisions to find.</summary>
    private (Precision Precision, string Reason) Choose()
    {
        if (Depth == 0) return (Precision.Fp32, "no block runs");
        double[] similarities = KeptSimilarities() ?? MeasureSimilarities();
        double least = similarities.Min();
        Precision precision = least >= Calibration.LeastSimilarity ? Precision.Int8 : Precision.Fp32;
        return (precision, string.Create(CultureInfo.InvariantCulture, $"centred cosine of int8 with fp32 {least:0.0000}"));
    }

    private string? SimilaritiesPath()
    {
        string views = string.Join('-', _options.Views.Select(view => $"{view.Depth}{PoolingNames.NameOf(view.Pooling)}"));
        string key = new EncoderFingerprint(("weights", _weightsKey), ("views", views), ("pad_to", $"{_options.PadTo}"), ("max_tokens", $"{_options.MaxTokens}"), ("prompt", _options.Prompt == default ? "" : string.Join(' ', _tokenizePrompted("text")))).Sha256;
        return _options.Folder is string folder ? Path.Combine(folder, "weights", $"{key}.json") : null;
    }

    private void Keep(double[] similarities)
    {
        if (SimilaritiesPath() is not string path) return;
        try
        {
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            AtomicFile.WriteText(path, JsonSerializer.Serialize(similarities));
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            // The next start measures again.
        }
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
        int[][] texts = Tokenize(Calibration.CheckedSentences, _tokenizePrompted);
        float[] exact = RunAll(Precision.Fp32, texts), quantized = RunAll(Precision.Int8, texts);
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
        Keep(similarities);
        return similarities;
    }

    private float[] RunAll(Precision precision, int[][] texts)
    {
        float[][] values = new float[texts.Length][];
        Run(precision, [.. texts.Select(text => new[] { text })], (text, pooled) => values[text] = pooled, CancellationToken.None);
        return [.. values.SelectMany(text => text)];
    }

    private static int[][] Tokenize(IReadOnlyList<string> sentences, Func<string, int[]> tokenize) => [.. sentences.Select(tokenize).Where(ids => ids.Length > 0)];

    /// <summary>The blocks as they are compiled for so many threads at a time.</summary>
    private sealed record CompiledBlocks(Precision Precision, int? TokensAt, PromptPrefix? Prefix) : IDisposable
    {
        public Dictionary<int, EncoderSession> ByThreads { get; } = [];

        public void Dispose()
        {
            foreach (EncoderSession session in ByThreads.Values) session.Dispose();
        }
    }
}
