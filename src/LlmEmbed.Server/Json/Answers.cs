using System.Text.Json.Serialization;

namespace LlmEmbed.Server.Json;

/// <summary>A class and its score: a calibrated probability, or the natural logarithm of it where that was asked for.</summary>
internal sealed record Score([property: JsonPropertyName("score")] float Value, string Label);

/// <summary>A token of a text. Its place in the text is not kept, so start and stop are null.</summary>
internal sealed record Token(int Id, string Text, bool Special)
{
    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public int? Start { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public int? Stop { get; init; }
}

/// <summary>What TEI's clients ask of a model before they use it.</summary>
internal sealed record InfoAnswer
{
    [JsonPropertyName("model_id")]
    public required string ModelId { get; init; }

    [JsonPropertyName("served_model_name")]
    public required string ServedModelName { get; init; }

    [JsonPropertyName("model_dtype")]
    public required string ModelDtype { get; init; }

    [JsonPropertyName("model_type")]
    public required ModelType ModelType { get; init; }

    [JsonPropertyName("max_concurrent_requests")]
    public required int MaxConcurrentRequests { get; init; }

    [JsonPropertyName("max_input_length")]
    public int? MaxInputLength { get; init; }

    [JsonPropertyName("max_batch_tokens")]
    public required int MaxBatchTokens { get; init; }

    [JsonPropertyName("max_client_batch_size")]
    public required int MaxClientBatchSize { get; init; }

    [JsonPropertyName("auto_truncate")]
    public required bool AutoTruncate { get; init; }

    [JsonPropertyName("tokenization_workers")]
    public required int TokenizationWorkers { get; init; }

    public required string Version { get; init; }
}

/// <summary>What a model does: one of the two is there.</summary>
internal sealed record ModelType
{
    public ClassifierType? Classifier { get; init; }

    public EmbeddingType? Embedding { get; init; }
}

/// <summary>The classes of a classifier.</summary>
internal sealed record ClassifierType(
    [property: JsonPropertyName("id2label")] IReadOnlyDictionary<string, string> IdToLabel,
    [property: JsonPropertyName("label2id")] IReadOnlyDictionary<string, int> LabelToId);

/// <summary>How a text's states become one vector.</summary>
internal sealed record EmbeddingType(string Pooling);

/// <summary>OpenAI's list of embeddings.</summary>
internal sealed record EmbeddingsAnswer(string Object, IReadOnlyList<EmbeddingItem> Data, string Model, Usage Usage);

/// <summary>The vector of one text.</summary>
/// <param name="Object">"embedding".</param>
/// <param name="Index">The place of the text in the request, from 0.</param>
/// <param name="Embedding">The vector.</param>
internal sealed record EmbeddingItem(string Object, int Index, Vector Embedding)
{
    /// <summary>True if the text lost its end; left out if not.</summary>
    public bool? Truncated { get; init; }
}

/// <summary>Tokens of a request, special ones included.</summary>
internal sealed record Usage(
    [property: JsonPropertyName("prompt_tokens")] long PromptTokens, [property: JsonPropertyName("total_tokens")] long TotalTokens);

/// <summary>OpenAI's list of models.</summary>
internal sealed record ModelsAnswer(string Object, IReadOnlyList<ModelItem> Data);

/// <summary>A model, as OpenAI lists it.</summary>
/// <param name="Id">Its name in requests.</param>
/// <param name="Object">"model".</param>
/// <param name="Created">0: it is not kept.</param>
/// <param name="OwnedBy">"llmembed".</param>
/// <param name="Kind">"classifier" or "backbone".</param>
internal sealed record ModelItem(string Id, string Object, long Created, [property: JsonPropertyName("owned_by")] string OwnedBy, string Kind);

/// <summary>What a classifier says about one text.</summary>
/// <param name="Probability">Its calibrated probability; 0 for an empty text.</param>
/// <param name="Classes">The most probable classes, as many as were asked for.</param>
/// <param name="Truncated">Whether the text was longer than the classifier reads, so that its end did not count.</param>
/// <param name="Empty">Whether the text is white space or gives no token, so that there was nothing to classify.</param>
internal sealed record Classification(float Probability, IReadOnlyList<ClassProbability> Classes, bool Truncated, bool Empty)
{
    /// <summary>The most probable class; null for an empty text.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    [JsonPropertyOrder(-1)]
    public required string? Label { get; init; }
}

/// <summary>A class and its calibrated probability.</summary>
internal sealed record ClassProbability(string Label, float Probability);

/// <summary>Pooled hidden states of texts.</summary>
/// <param name="Object">"hidden_states".</param>
/// <param name="Model">The backbone.</param>
/// <param name="BlockCount">Its blocks, which is its last depth.</param>
/// <param name="HiddenSize">The numbers of a vector.</param>
/// <param name="MaxTokens">The longest input in tokens.</param>
/// <param name="Views">What the vectors of each text are, in their order.</param>
/// <param name="Data">The texts.</param>
/// <param name="Usage">Tokens of the request.</param>
internal sealed record HiddenStatesAnswer(
    string Object,
    string Model,
    [property: JsonPropertyName("block_count")] int BlockCount,
    [property: JsonPropertyName("hidden_size")] int HiddenSize,
    [property: JsonPropertyName("max_tokens")] int MaxTokens,
    IReadOnlyList<HiddenView> Views,
    IReadOnlyList<HiddenStatesItem> Data,
    Usage Usage);

/// <summary>One pooled hidden state.</summary>
/// <param name="Depth">0 is the embedding output, d the state after d blocks.</param>
/// <param name="Pooling">How the tokens' states become one vector.</param>
internal sealed record HiddenView(int Depth, string Pooling);

/// <summary>The vectors of one text.</summary>
/// <param name="Index">The place of the text in the request, from 0.</param>
/// <param name="Vectors">One for each view, in the order of the views.</param>
/// <param name="Tokens">The tokens that were read, special ones included.</param>
/// <param name="Truncated">Whether the text lost its end.</param>
/// <param name="Empty">Whether the text gives no token of its own: the vectors are those of the special tokens, or zeros if there are none.</param>
internal sealed record HiddenStatesItem(int Index, IReadOnlyList<Vector> Vectors, int Tokens, bool Truncated, bool Empty);

/// <summary>Whether the server works.</summary>
/// <param name="Status">"live", "ready" or "starting".</param>
internal sealed record HealthAnswer(string Status);

/// <summary>A model and what it is made of.</summary>
internal sealed record ServedModelAnswer(string Id, string Kind)
{
    /// <summary>The classes of a classifier.</summary>
    public IReadOnlyList<string>? Labels { get; init; }

    /// <summary>Weights of the blocks and the head that a text passes.</summary>
    public long? Parameters { get; init; }

    /// <summary>The blocks of a backbone.</summary>
    [JsonPropertyName("block_count")]
    public int? BlockCount { get; init; }

    /// <summary>The numbers of a vector of a backbone.</summary>
    [JsonPropertyName("hidden_size")]
    public int? HiddenSize { get; init; }

    /// <summary>The longest input of a backbone in tokens.</summary>
    [JsonPropertyName("max_tokens")]
    public int? MaxTokens { get; init; }

    /// <summary>What it is made of and why, for people.</summary>
    public IReadOnlyList<Fact> Facts { get; init; } = [];

    /// <summary>Whether the results of its measurement are kept beside it.</summary>
    [JsonPropertyName("has_report")]
    public bool HasReport { get; init; }
}

/// <summary>Something that is known of a model.</summary>
internal sealed record Fact(string Name, string Value);

/// <summary>A problem, as TEI writes it.</summary>
/// <param name="Error">What was found, and what to do.</param>
/// <param name="ErrorType">The kind of problem.</param>
internal sealed record TeiErrorAnswer(string Error, [property: JsonPropertyName("error_type")] string ErrorType);

/// <summary>A problem, as OpenAI writes it.</summary>
/// <param name="Error">The problem.</param>
internal sealed record OpenAiErrorAnswer(OpenAiError Error);

/// <summary>A problem, as OpenAI writes it.</summary>
/// <param name="Message">What was found, and what to do.</param>
/// <param name="Type">The kind of problem.</param>
internal sealed record OpenAiError(string Message, string Type)
{
    /// <summary>The field of the body that is wrong.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public required string? Param { get; init; }

    /// <summary>A name of the problem that programs can compare with.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public required string? Code { get; init; }
}
