using System.Diagnostics;
using LlmEmbed.Reading;

namespace LlmEmbed.Server;

/// <summary>The models that are served, all on one set of open backbones.</summary>
internal sealed class ModelCatalog(LlmEmbedServerOptions options, TextQueue queue) : IDisposable
{
    private readonly OpenBackbones _backbones = new(options.Runtime);
    private readonly List<ServedModel> _models = [];
    private EncoderCache? _encoders;

    /// <summary>In the order in which they were named; the first of a kind answers requests that name none.</summary>
    public IReadOnlyList<ServedModel> Models => _models;

    /// <summary>Whether all of them are loaded and warm, and the server is not about to end.</summary>
    public bool IsReady { get; private set; }

    /// <summary>What a user should know of the backbones. Each is a sentence.</summary>
    public IReadOnlyList<string> Warnings => [.. _backbones.Warnings.Distinct(StringComparer.Ordinal)];

    /// <summary>Loads all models and makes ready what the first requests would otherwise wait for.</summary>
    /// <param name="progress">Told about work that takes long.</param>
    /// <param name="cancellationToken">Stops it.</param>
    /// <returns>The time that loading took, and the warm-up.</returns>
    /// <exception cref="LlmEmbedException">A model cannot be loaded, or two have the same name.</exception>
    public (TimeSpan Loading, TimeSpan WarmUp) Load(IProgress<WorkProgress>? progress, CancellationToken cancellationToken)
    {
        long start = Stopwatch.GetTimestamp();
        foreach ((string? name, string folder) in options.Classifiers.Select(Named))
        {
            TextClassifier classifier = TextClassifier.Load(folder, _backbones, progress, cancellationToken);
            Add(new ServedClassifier(name ?? NameOf(folder), classifier, folder));
        }
        foreach ((string? name, string backbone) in options.Backbones.Select(Named))
        {
            TextEncoder encoder = TextEncoder.Load(backbone, EncoderOfTexts, _backbones, progress, cancellationToken);
            Add(new ServedEncoder(name ?? encoder.Name, encoder, backbone));
        }
        TimeSpan loading = Stopwatch.GetElapsedTime(start);
        start = Stopwatch.GetTimestamp();
        foreach (ServedModel model in _models) model.WarmUp(queue, progress, cancellationToken);
        _encoders = new EncoderCache((backbone, read) => TextEncoder.Load(backbone, read, _backbones));
        IsReady = true;
        return (loading, Stopwatch.GetElapsedTime(start));
    }

    /// <summary>Says to those who ask that no more requests should come.</summary>
    public void Retire() => IsReady = false;

    /// <returns>Null if no classifier has this name; without a name the first classifier, null if there is none.</returns>
    public ServedClassifier? Classifier(string? name) => Find<ServedClassifier>(name);

    /// <returns>Null if no encoder has this name; without a name the first encoder, null if there is none.</returns>
    public ServedEncoder? Encoder(string? name) => Find<ServedEncoder>(name);

    /// <summary>The backbone of a served encoder at other views or with another prompt. A bounded number of them is kept.</summary>
    /// <returns>To be disposed of when the texts are encoded.</returns>
    /// <exception cref="LlmEmbedException">It does not have what the options ask for.</exception>
    public Task<EncoderLease> EncoderAsync(ServedEncoder model, EncoderOptions read, CancellationToken cancellationToken) =>
        Task.Run(() => _encoders!.Lease(model.Backbone, read), cancellationToken);

    public void Dispose()
    {
        queue.Dispose(); // what it computes reads the models
        _encoders?.Dispose();
        foreach (ServedModel model in _models) model.Dispose();
        _backbones.Dispose();
    }

    private static EncoderOptions EncoderOfTexts => new() { Views = ViewSelection.TextVector };

    /// <summary>"name=path" gives a model a name of its own.</summary>
    private static (string? Name, string Path) Named(string model) =>
        model.IndexOf('=', StringComparison.Ordinal) is > 0 and int place && !System.IO.Path.Exists(model)
            ? (model[..place], model[(place + 1)..])
            : (null, model);

    private static string NameOf(string folder) => Path.GetFileName(Path.TrimEndingDirectorySeparator(Path.GetFullPath(folder)));

    private void Add(ServedModel model)
    {
        if (_models.Exists(other => other.Id == model.Id))
            throw new LlmEmbedException(
                $"Two models have the name '{model.Id}', expected different names. Give one of them another name: other-name={model.Id}.");
        _models.Add(model);
    }

    private T? Find<T>(string? name)
        where T : ServedModel => _models.OfType<T>().FirstOrDefault(model => name is null || model.Id == name);
}
