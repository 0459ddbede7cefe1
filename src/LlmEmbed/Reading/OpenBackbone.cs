using LlmEmbed.Checkpoints;
using LlmEmbed.Files;
using LlmEmbed.Models;
using LlmEmbed.Tokenization;

namespace LlmEmbed.Reading;

/// <summary>
/// A backbone whose checkpoint is mapped, whose weights are hashed and whose tokenizer is loaded: once, whoever reads with it and at whatever views.
/// </summary>
internal sealed class OpenBackbone : IDisposable
{
    /// <summary>
    /// What texts are read behind. The same token twice would not do for a text of one token: attention over equal values gives what it gives of one.
    /// </summary>
    private const string Lead = "\n";

    /// <summary>The prompt that puts this before every text.</summary>
    internal const string LeadPrompt = Lead + "{text}";

    private readonly SentenceView? _sentence;
    private readonly LlmEmbedException? _sentenceProblem;

    private OpenBackbone(
        string source, string name, Checkpoint checkpoint, Backbone model, Tokenizer tokenizer, string weightsSha256, RuntimeOptions runtime)
    {
        (Source, Name, Checkpoint, Model, Tokenizer, WeightsSha256) = (source, name, checkpoint, model, tokenizer, weightsSha256);
        TokenizerSha256 = FileHash.OfAll(tokenizer.SourceFiles);
        try
        {
            _sentence = SentenceView.Of(model);
        }
        catch (LlmEmbedException exception)
        {
            _sentenceProblem = exception; // the depths can be read all the same
        }
        Weights = new BackboneWeights(this, runtime);
    }

    /// <summary>What it was asked for by: a name or a path.</summary>
    public string Source { get; }

    /// <summary>The name it was asked for by, or the last part of its path.</summary>
    public string Name { get; }

    public Checkpoint Checkpoint { get; }

    /// <summary>The architecture over the checkpoint.</summary>
    public Backbone Model { get; }

    /// <summary>The tokenizer without a prompt.</summary>
    public Tokenizer Tokenizer { get; }

    /// <summary>SHA-256 over the checkpoint's weights and configuration, by which a classifier recognizes its backbone.</summary>
    public string WeightsSha256 { get; }

    /// <summary>SHA-256 over the tokenizer's files.</summary>
    public string TokenizerSha256 { get; }

    /// <summary>Its weights, shared by all that read with it.</summary>
    public BackboneWeights Weights { get; }

    /// <summary>How its repository means texts to become vectors.</summary>
    /// <exception cref="LlmEmbedException">It asks for something that is not implemented.</exception>
    public SentenceView Sentence => _sentence ?? throw new LlmEmbedException(_sentenceProblem!.Message, _sentenceProblem)
    {
        FilePath = _sentenceProblem.FilePath,
    };

    /// <summary>The view <see cref="Pooling.Sentence"/>, if the repository itself says what it is and it can be computed; else null.</summary>
    public View? DeclaredSentence => _sentence is { Declared: not null } ? new View(Model.BlockCount, Pooling.Sentence) : null;

    /// <summary>The sizes to which a vector of <see cref="Pooling.Sentence"/> may be cut because the model was trained for it, ascending.</summary>
    public IReadOnlyList<int> MatryoshkaSizes
    {
        get
        {
            ModelConfig config = Checkpoint.Config;
            IEnumerable<int> sizes = config.Ints("matryoshka_dimensions")
                ?? (config.Flag("is_matryoshka", fallback: false) ? Enumerable.Range(1, Sentence.Size - 1) : []);
            return [.. sizes.Where(size => size >= 1 && size < Sentence.Size).Order()];
        }
    }

    /// <summary>What a user should know of its files. Each is a sentence.</summary>
    public IReadOnlyList<string> Notes =>
    [
        .. Checkpoint.Config.Notes,
        .. _sentenceProblem is null ? Array.Empty<string>() : [$"The view 'sentence' cannot be read: {_sentenceProblem.Message}"],
    ];

    public bool IsDisposed { get; private set; }

    /// <summary>
    /// The prompt behind which a decoder's texts are better read: a line break, where its tokenizer puts nothing before a text, since the state of
    /// the first token of all says nothing of the text. Null for all other backbones.
    /// </summary>
    public string? LineBreakPrompt => Model.IsCausal && Tokenizer.Frame.Before.Length == 0 ? LeadPrompt : null;

    /// <summary>Whether a prompt puts more around texts than what a decoder needs before them.</summary>
    public bool IsPrompt(string? prompt) => prompt is not null && prompt != LineBreakPrompt;

    /// <summary>What tells its features from those that it gives with another prompt.</summary>
    public string NameWith(string? prompt) => !IsPrompt(prompt) ? Name
        : PromptTemplate.IsTemplate(prompt!) ? $"{Name} with the prompt"
        : prompt!.Length > 0 ? $"{Name} with its prompt"
        : $"{Name} without a line break";

    /// <summary>Where views stand in a text's row of numbers.</summary>
    public ViewRow RowOf(IReadOnlyList<View> views) =>
        ViewRow.Of(views, Model.HiddenSize, views.Any(view => view.Pooling == Pooling.Sentence) ? Sentence : null);

    /// <summary>The token that a decoder reads before a text of a single token; null if its tokenizer makes none of a line break.</summary>
    public int? LeadToken(int maxTokens) => Tokenizer.Encode(Lead, maxTokens).Ids is [int first, ..] ? first : null;

    /// <exception cref="LlmEmbedException">The backbone is not there, damaged or not implemented.</exception>
    public static OpenBackbone Open(
        string source, LocatedBackbone located, RuntimeOptions runtime, IReadOnlyCollection<string> acceptedKeys, Work work)
    {
        Checkpoint checkpoint = Checkpoint.Open(located.Path);
        return Disposal.OnFailure([checkpoint], () =>
        {
            Backbone model = Backbone.Create(checkpoint, acceptedKeys);
            Tokenizer tokenizer = Tokenizer.Load(located.Path);
            if (tokenizer.VocabularySize > model.VocabularySize)
                throw new LlmEmbedException(
                    $"{checkpoint.Path}: the tokenizer has ids up to {tokenizer.VocabularySize - 1}, but the model has embeddings for " +
                    $"{model.VocabularySize} tokens only. The files belong to different models.")
                { FilePath = checkpoint.Path };
            return new OpenBackbone(
                source, located.Name, checkpoint, model, tokenizer, checkpoint.Sha256(work.Progress, work.CancellationToken), runtime);
        });
    }

    public void Dispose()
    {
        if (IsDisposed) return;
        IsDisposed = true;
        Weights.Dispose();
        Checkpoint.Dispose();
    }
}
