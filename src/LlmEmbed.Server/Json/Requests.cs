using System.ComponentModel;
using System.ComponentModel.DataAnnotations;
using System.Text.Json.Serialization;

namespace LlmEmbed.Server.Json;

/// <summary>What is read of a body to find out for which model it is.</summary>
internal sealed record AnyRequest
{
    public string? Model { get; init; }
}

/// <summary>TEI's <c>/predict</c>.</summary>
internal sealed record PredictRequest
{
    [Required]
    [Description("One text, or a list of lists of one text each. A flat list of two texts is a pair in TEI's sense and is refused.")]
    public PredictInputs? Inputs { get; init; }

    [Description("Whether scores are natural logarithms of the probabilities. The probabilities are calibrated already, so there is nothing rawer.")]
    [JsonPropertyName("raw_scores")]
    public bool RawScores { get; init; }

    [Description("Whether a text that is too long loses its end (the default); if false, it is refused with 422.")]
    public bool? Truncate { get; init; }

    [Description("'right', the only direction here: a text that is too long loses its end.")]
    [JsonPropertyName("truncation_direction")]
    public string? TruncationDirection { get; init; }

    [Description("A served classifier. Without it, the first one answers.")]
    public string? Model { get; init; }
}

/// <summary>TEI's <c>/embed</c>, and Hugging Face's feature extraction.</summary>
internal sealed record EmbedRequest
{
    [Required]
    [Description("One text or a list of texts.")]
    public Texts? Inputs { get; init; }

    [Description("Whether vectors have length 1 (the default).")]
    public bool? Normalize { get; init; }

    [Description("Whether a text that is too long loses its end (the default); if false, it is refused with 422.")]
    public bool? Truncate { get; init; }

    [Description("'right', the only direction here: a text that is too long loses its end.")]
    [JsonPropertyName("truncation_direction")]
    public string? TruncationDirection { get; init; }

    [Description("The name of one of the prompts of the model's repository, which stands before each text.")]
    [JsonPropertyName("prompt_name")]
    public string? PromptName { get; init; }

    [Description("How many numbers of each vector are kept, from its beginning. Of use with models that were trained for it (Matryoshka).")]
    public int? Dimensions { get; init; }

    [Description("A served backbone. Without it, the first one answers.")]
    public string? Model { get; init; }
}

/// <summary>TEI's <c>/similarity</c>.</summary>
internal sealed record SimilarityRequest
{
    [Required]
    [Description("A text, and those that it is compared with.")]
    public SimilarityInputs? Inputs { get; init; }

    [Description("How the texts are read.")]
    public SimilarityParameters? Parameters { get; init; }

    [Description("A served backbone. Without it, the first one answers.")]
    public string? Model { get; init; }
}

/// <summary>A text, and those that it is compared with.</summary>
internal sealed record SimilarityInputs
{
    [Required]
    [Description("The text.")]
    [JsonPropertyName("source_sentence")]
    public string? SourceSentence { get; init; }

    [Required]
    [Description("What it is compared with.")]
    public Texts? Sentences { get; init; }
}

/// <summary>How the texts of a comparison are read.</summary>
internal sealed record SimilarityParameters
{
    [Description("Whether a text that is too long loses its end (the default); if false, it is refused with 422.")]
    public bool? Truncate { get; init; }

    [Description("'right', the only direction here: a text that is too long loses its end.")]
    [JsonPropertyName("truncation_direction")]
    public string? TruncationDirection { get; init; }

    [Description("The name of one of the prompts of the model's repository, which stands before each text.")]
    [JsonPropertyName("prompt_name")]
    public string? PromptName { get; init; }
}

/// <summary>TEI's <c>/tokenize</c>.</summary>
internal sealed record TokenizeRequest
{
    [Required]
    [Description("One text or a list of texts.")]
    public Texts? Inputs { get; init; }

    [Description("Whether the tokens that the model expects around a text are added (the default).")]
    [JsonPropertyName("add_special_tokens")]
    public bool? AddSpecialTokens { get; init; }

    [Description("A served model. Without it, the first one answers.")]
    public string? Model { get; init; }
}

/// <summary>OpenAI's <c>/v1/embeddings</c>.</summary>
internal sealed record EmbeddingsRequest
{
    [Required]
    [Description("One text or a list of texts.")]
    public Texts? Input { get; init; }

    [Description("A served backbone. Without it, or if its name is unknown here, the first one answers, unless the server is strict about names.")]
    public string? Model { get; init; }

    [Description("'float' (the default) for lists of numbers, 'base64' for little-endian 32-bit floats in Base64.")]
    [JsonPropertyName("encoding_format")]
    public string? EncodingFormat { get; init; }

    [Description("How many numbers of each vector are kept, from its beginning. Of use with models that were trained for it (Matryoshka).")]
    public int? Dimensions { get; init; }

    [Description("Taken and not used.")]
    public string? User { get; init; }
}

/// <summary>Classes of texts with all that is known of them.</summary>
internal sealed record ClassifyRequest
{
    [Required]
    [Description("One text or a list of texts.")]
    public Texts? Inputs { get; init; }

    [Description("How many classes of each text are listed, the most probable ones. Without it, all.")]
    public int? Top { get; init; }

    [Description("Whether a text that is too long loses its end (the default); if false, it is refused with 422.")]
    public bool? Truncate { get; init; }

    [Description("A served classifier. Without it, the first one answers.")]
    public string? Model { get; init; }
}

/// <summary>Pooled hidden states.</summary>
internal sealed record HiddenStatesRequest
{
    [Required]
    [Description("One text or a list of texts.")]
    public Texts? Inputs { get; init; }

    [Description("A served backbone. Without it, the first one answers.")]
    public string? Model { get; init; }

    [Description("The same as 'model'.")]
    public string? Backbone { get; init; }

    [Description("Depths: 0 is the embedding output, d the state after d blocks. A number, a negative number counted from the last, a share of the " +
        "blocks (\"50%\"), \"last5\", \"all\", several of these separated by commas, or a list of them. Without it, the default depths of the " +
        "architecture.")]
    public Depths? Depths { get; init; }

    [Description("One pooling or several, such as \"mean\" or [\"mean\", \"last\"]. Without it, the default of the architecture.")]
    public Names? Pooling { get; init; }

    [Description("The longest input in tokens, special tokens included. Without it, 256 or what the model reads, if that is less.")]
    [JsonPropertyName("max_tokens")]
    public int? MaxTokens { get; init; }

    [Description("A template around each text, with {text} once, or what stands before each text.")]
    public string? Prompt { get; init; }

    [Description("The name of one of the prompts of the model's repository, which stands before each text.")]
    [JsonPropertyName("prompt_name")]
    public string? PromptName { get; init; }

    [Description("Whether a text that is too long loses its end (the default); if false, it is refused with 422.")]
    public bool? Truncate { get; init; }

    [Description("'float' (the default) for lists of numbers, 'base64' for little-endian 32-bit floats in Base64.")]
    [JsonPropertyName("encoding_format")]
    public string? EncodingFormat { get; init; }
}

/// <summary>Hugging Face's text classification.</summary>
internal sealed record TextClassificationRequest
{
    [Required]
    [Description("One text or a list of texts.")]
    public Texts? Inputs { get; init; }

    [Description("What is listed of each text.")]
    public TextClassificationParameters? Parameters { get; init; }

    [Description("A served classifier. Without it, the first one answers.")]
    public string? Model { get; init; }
}

/// <summary>What Hugging Face's text classification lists of each text.</summary>
internal sealed record TextClassificationParameters
{
    [Description("How many classes are listed, the most probable ones. Without it, all.")]
    [JsonPropertyName("top_k")]
    public int? TopK { get; init; }

    [Description("'softmax' (the default) for probabilities, 'none' for their natural logarithms. The classes exclude each other, so there is no " +
        "'sigmoid'.")]
    [JsonPropertyName("function_to_apply")]
    public string? FunctionToApply { get; init; }
}
