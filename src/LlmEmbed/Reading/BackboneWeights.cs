using System.Globalization;
using LlmEmbed.Engine;
using LlmEmbed.Models;

namespace LlmEmbed.Reading;

/// <summary>
/// The weights of an open backbone, shared by all that read with it: for each precision one <see cref="WeightStore"/> as long as anybody uses it, and
/// the quantized weights from when they are first needed. Quantized weights are kept on disk where there is a folder for them, so that only the first
/// start of all quantizes; later ones map the files.
/// </summary>
internal sealed class BackboneWeights(OpenBackbone backbone, RuntimeOptions runtime) : IDisposable
{
    /// <summary>
    /// Longest calibration sentence (tokens). It does not depend on what a reader asks for, so that quantized weights do not either.
    /// </summary>
    private const int CalibrationTokens = 256;

    private readonly Lock _lock = new();
    private readonly Dictionary<Precision, (WeightStore Store, int Users)> _stores = [];
    private readonly List<(int Depth, Int8Weights Weights)> _quantized = [];
    private readonly int _threads = runtime.Threads ?? Cores.Usable;

    /// <summary>Holds quantized weights that must not be in memory and have no folder of their own.</summary>
    private DirectoryInfo? _temporary;

    /// <summary>Differs wherever quantized weights differ.</summary>
    public string Key { get; } = new EncoderFingerprint(
        ("int8", Int8Weights.Scheme),
        ("backbone", backbone.WeightsSha256 + backbone.TokenizerSha256),
        ("steps", Int8Weights.Steps.ToString(CultureInfo.InvariantCulture))).Sha256;

    /// <summary>The store of a precision, for as long as the lease is held.</summary>
    public WeightLease Lease(Precision precision)
    {
        lock (_lock)
        {
            (WeightStore store, int users) = _stores.TryGetValue(precision, out var known) ? known : (new WeightStore(), 0);
            _stores[precision] = (store, users + 1);
            return new WeightLease(store, () => Return(precision));
        }
    }

    /// <summary>A new network of the backbone in a precision, with weights from a store.</summary>
    /// <param name="precision">Fp32 or int8.</param>
    /// <param name="store">Where weights are.</param>
    /// <param name="depth">The deepest block that will be asked for.</param>
    /// <param name="isStreamed">Whether blocks are loaded in turn, so that quantized weights must not stay in memory.</param>
    /// <param name="work">Told about quantization, which may stop it.</param>
    public Layers NewLayers(Precision precision, WeightStore store, int depth, bool isStreamed, Work work) => new(precision == Precision.Int8
        ? new Int8Lowering(backbone.Checkpoint, store, Quantized(depth, isStreamed, work))
        : new Float32Lowering(backbone.Checkpoint, store));

    public void Dispose()
    {
        foreach ((WeightStore store, _) in _stores.Values) store.Dispose();
        foreach ((_, Int8Weights weights) in _quantized) weights.Dispose();
        _temporary?.Delete(recursive: true);
    }

    private void Return(Precision precision)
    {
        lock (_lock)
        {
            (WeightStore store, int users) = _stores[precision];
            _stores[precision] = (store, users - 1);
            if (users > 1) return;
            _stores.Remove(precision);
            store.Dispose();
        }
    }

    private Int8Weights Quantized(int depth, bool isStreamed, Work work)
    {
        lock (_lock)
        {
            if (_quantized.Find(kept => kept.Depth >= depth).Weights is { } found) return found;
            Int8Weights weights = Quantize(depth, isStreamed, work);
            _quantized.Add((depth, weights));
            return weights;
        }
    }

    private Int8Weights Quantize(int depth, bool isStreamed, Work work)
    {
        string? parent = runtime.FolderOfWeights is string kept ? Path.Combine(kept, "weights") : null;
        if (parent is null && isStreamed) parent = (_temporary ??= Directory.CreateTempSubdirectory("llmembed-")).FullName;
        int maxTokens = Math.Min(CalibrationTokens, backbone.Model.MaxTokens);
        int[][] sentences =
        [
            .. Calibration.Sentences.Select(sentence => backbone.Tokenizer.Encode(sentence, maxTokens).Ids).Where(ids => ids.Length > 0),
        ];
        void Report(int blocks)
        {
            work.Progress?.Report(new WorkProgress($"Quantizing {backbone.Name}", blocks, depth, "blocks"));
            work.CancellationToken.ThrowIfCancellationRequested();
        }

        Int8Weights Make(Func<int, string>? pathOf) =>
            Calibration.Quantize(backbone.Checkpoint, backbone.Model, depth, sentences, _threads, pathOf, Report);
        if (parent is null) return Make(null);

        string folder = Path.Combine(parent, Key[..16]);
        string PathOf(int block) => Path.Combine(folder, $"block-{block:000}.safetensors");
        try
        {
            string[] paths = [.. Enumerable.Range(0, depth).Select(PathOf)];
            if (paths.All(File.Exists)) return Int8Weights.Open(paths);
        }
        catch (LlmEmbedException)
        {
            // Damaged: they are made again from the checkpoint.
        }
        try
        {
            Directory.CreateDirectory(folder);
            return Make(PathOf);
        }
        catch (Exception exception) when (_temporary is null && (Wraps<IOException>(exception) || Wraps<UnauthorizedAccessException>(exception)))
        {
            // A full or read-only disk costs the next start its time, not this one its work.
            return Make(null);
        }
    }

    private static bool Wraps<T>(Exception exception)
        where T : Exception => exception is T || exception.InnerException is T;
}

/// <summary>The right to use a store of weights until it is disposed of.</summary>
/// <param name="store">The store.</param>
/// <param name="giveBack">Called once, at the end.</param>
internal sealed class WeightLease(WeightStore store, Action giveBack) : IDisposable
{
    private Action? _giveBack = giveBack;

    public WeightStore Store { get; } = store;

    public void Dispose() => Interlocked.Exchange(ref _giveBack, null)?.Invoke();
}
