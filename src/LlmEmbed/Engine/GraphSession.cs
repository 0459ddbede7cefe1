using Microsoft.ML.OnnxRuntime;

namespace LlmEmbed.Engine;

/// <summary>
/// A compiled graph, ready to run on this machine's processor. Running is thread-safe. Nothing outside this room knows ONNX Runtime.
/// </summary>
internal sealed class GraphSession : IDisposable
{
    /// <summary>
    /// The engine notes this project's domain of operators when the first session of the process is made. It looks whether the domain is known and
    /// then adds it, so that two first sessions at the same time make one of them fail.
    /// </summary>
    private static readonly Lock OneAtATime = new();

    private readonly InferenceSession _session;
    private readonly IReadOnlyList<(string Name, WeightBuffer Buffer)> _weights;
    private WeightStore? _store;
    private readonly List<OrtValue> _initializers = [];
    private readonly IReadOnlyList<string> _outputNames;

    /// <summary>Compiles <paramref name="graph"/> and takes over its weights.</summary>
    /// <param name="graph">The graph; it must not be used for another session afterwards.</param>
    /// <param name="threads">Threads within one operator; results do not depend on it.</param>
    /// <param name="store">Owns weights of the graph that other sessions use too; null if the graph has no such weights.</param>
    public GraphSession(OnnxGraph graph, int threads, WeightStore? store = null)
    {
        _weights = graph.Weights;
        _outputNames = graph.OutputNames;
        using SessionOptions options = new()
        {
            IntraOpNumThreads = threads,
            InterOpNumThreads = 1,
            EnableMemoryPattern = false, // a plan for each shape that a batch may have is more memory than it saves
            ExecutionMode = ExecutionMode.ORT_SEQUENTIAL,
            LogSeverityLevel = OrtLoggingLevel.ORT_LOGGING_LEVEL_FATAL, // what goes wrong is thrown, and said once
        };
        EngineApi.AddOperators(options);
        foreach ((string name, WeightBuffer weight) in _weights)
        {
            OrtValue value = OrtValue.CreateTensorValueWithData(
                OrtMemoryInfo.DefaultInstance, ElementType(weight.Type), weight.Shape, weight.Address, weight.ByteLength);
            _initializers.Add(value);
            options.AddInitializer(name, value);
        }
        // The engine takes weights from memory only in place of external data, and wants the external file to exist.
        DirectoryInfo folder = Directory.CreateTempSubdirectory("llmembed-");
        try
        {
            File.WriteAllBytes(Path.Combine(folder.FullName, OnnxModel.WeightPlaceholder), []);
            options.AddSessionConfigEntry("session.model_external_initializers_file_folder_path", folder.FullName);
            PrePackedWeightsContainer? prePacked = store?.Enter();
            _store = store;
            byte[] model = graph.ToModel();
            lock (OneAtATime)
            {
                _session = Translate(
                    () => prePacked is null ? new InferenceSession(model, options) : new InferenceSession(model, options, prePacked));
            }
        }
        catch
        {
            Free();
            throw;
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    /// <summary>Runs the graph once.</summary>
    /// <returns>The outputs in the order in which the graph declared them; the caller disposes them.</returns>
    public GraphResults Run(GraphFeeds feeds)
    {
        using RunOptions runOptions = new();
        return new GraphResults(Translate(() => _session.Run(runOptions, feeds.Names, feeds.Values, _outputNames)));
    }

    /// <summary>
    /// Runs the graph once and writes its outputs into memory that is given, which may be that of an input if the operator allows it.
    /// </summary>
    public void Run(GraphFeeds feeds, GraphFeeds results)
    {
        using RunOptions runOptions = new();
        Translate(() =>
        {
            _session.Run(runOptions, feeds.Names, feeds.Values, results.Names, results.Values);
            return results;
        });
    }

    public void Dispose()
    {
        _session.Dispose();
        Free();
    }

    /// <summary>Frees the weights that the graph owned and gives the shared ones back.</summary>
    private void Free()
    {
        foreach (OrtValue value in _initializers) value.Dispose();
        foreach ((_, WeightBuffer weight) in _weights) weight.Dispose();
        Interlocked.Exchange(ref _store, null)?.Leave();
    }

    /// <summary>The engine's own failures, lack of memory above all, as the library's exception.</summary>
    private static T Translate<T>(Func<T> engine)
    {
        try
        {
            return engine();
        }
        catch (OnnxRuntimeException exception)
        {
            throw new LlmEmbedException($"The model cannot be run on this machine: {exception.Message.ReplaceLineEndings(" ").TrimEnd()}", exception);
        }
    }

    internal static Microsoft.ML.OnnxRuntime.Tensors.TensorElementType ElementType(OnnxType type) =>
        (Microsoft.ML.OnnxRuntime.Tensors.TensorElementType)(int)type;
}

/// <summary>The values that one run is fed, backed by the caller's arrays without a copy.</summary>
internal sealed class GraphFeeds : IDisposable
{
    public List<string> Names { get; } = [];

    public List<OrtValue> Values { get; } = [];

    public GraphFeeds Add<T>(string name, T[] data, params long[] shape)
        where T : unmanaged => Add(name, data.AsMemory(), shape);

    /// <param name="name">The graph's input.</param>
    /// <param name="data">At least as many elements as <paramref name="shape"/> asks for; more are ignored, so that buffers can be used
    /// again.</param>
    /// <param name="shape">The shape of this run.</param>
    public GraphFeeds Add<T>(string name, Memory<T> data, params long[] shape)
        where T : unmanaged
    {
        int count = checked((int)shape.Aggregate(1L, (product, size) => product * size));
        Names.Add(name);
        Values.Add(OrtValue.CreateTensorValueFromMemory(OrtMemoryInfo.DefaultInstance, data[..count], shape));
        return this;
    }

    public void Dispose()
    {
        foreach (OrtValue value in Values) value.Dispose();
    }
}

/// <summary>The outputs of one run.</summary>
internal sealed class GraphResults(IDisposableReadOnlyCollection<OrtValue> values) : IDisposable
{
    public int Count => values.Count;

    public ReadOnlySpan<T> Span<T>(int output)
        where T : unmanaged => values[output].GetTensorDataAsSpan<T>();

    public void Dispose() => values.Dispose();
}
