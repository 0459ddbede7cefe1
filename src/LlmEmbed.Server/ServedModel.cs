using LlmEmbed.Tokenization;

namespace LlmEmbed.Server;

/// <summary>A model as it is served.</summary>
/// <param name="Id">Its name, in requests and in paths.</param>
internal abstract record ServedModel(string Id) : IDisposable
{
    /// <summary>What turns texts into token ids; of the first backbone where there are several.</summary>
    public abstract Tokenizer Tokenizer { get; }

    /// <summary>Makes ready what its first texts would otherwise wait for.</summary>
    public abstract void WarmUp(TextQueue queue, IProgress<WorkProgress>? progress, CancellationToken cancellationToken);

    public abstract void Dispose();
}

/// <summary>A classifier.</summary>
/// <param name="Id">Its name.</param>
/// <param name="Classifier">Loaded.</param>
/// <param name="Folder">Where it lies, with the report of its training if there is one.</param>
internal sealed record ServedClassifier(string Id, TextClassifier Classifier, string Folder) : ServedModel(Id)
{
    /// <inheritdoc/>
    public override Tokenizer Tokenizer => Classifier.Tokenizers[0];

    /// <inheritdoc/>
    public override void WarmUp(TextQueue queue, IProgress<WorkProgress>? progress, CancellationToken cancellationToken) =>
        queue.WarmUp(Classifier, progress, cancellationToken);

    public override void Dispose() => Classifier.Dispose();
}

/// <summary>A backbone whose vectors are served.</summary>
/// <param name="Id">Its name.</param>
/// <param name="Encoder">One vector for each text: what its repository means by a text's embedding.</param>
/// <param name="Backbone">What it is opened by.</param>
internal sealed record ServedEncoder(string Id, TextEncoder Encoder, string Backbone) : ServedModel(Id)
{
    /// <inheritdoc/>
    public override Tokenizer Tokenizer => Encoder.Tokenizer;

    /// <inheritdoc/>
    public override void WarmUp(TextQueue queue, IProgress<WorkProgress>? progress, CancellationToken cancellationToken) =>
        queue.WarmUp(Encoder, progress, cancellationToken);

    public override void Dispose() => Encoder.Dispose();
}
