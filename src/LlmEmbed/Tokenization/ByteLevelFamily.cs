using System.Text;

namespace LlmEmbed.Tokenization;

/// <summary>
/// A family of byte-level tokenizers, by llama.cpp's name for its pre-tokenizer. GGUF files name it; files of GPT-2's kind imply it by their class.
/// </summary>
/// <param name="Name">The name.</param>
/// <param name="Split">Makes the step that splits text into words, before a given step.</param>
internal sealed record ByteLevelFamily(string Name, Func<TextStage, TextStage> Split)
{
    /// <summary>GPT-2's own family.</summary>
    public static ByteLevelFamily Gpt2 { get; } = new("gpt-2", next => new Gpt2Split(next));

    /// <summary>Qwen2's family, which composes characters before it splits.</summary>
    public static ByteLevelFamily Qwen2 { get; } =
        new("qwen2", next => new Llama3Split(maxDigits: 1, next)) { Normalizer = new UnicodeFormNormalizer(NormalizationForm.FormC) };

    /// <summary>
    /// All families. llama.cpp's "default" is not among them, because it is no published tokenizer's pattern but stands for a name that was never
    /// set.
    /// </summary>
    public static IReadOnlyList<ByteLevelFamily> All { get; } =
    [
        new("smollm", next => new DelimiterSplit(CharacterClass.IsNumber, DelimiterBehavior.Isolated, new Gpt2Split(next))),
        Gpt2,
        new("llama-bpe", next => new Llama3Split(maxDigits: 3, next)) { IgnoresMerges = true, AddsBos = true },
        Qwen2,
        Gpt2 with { Name = "roberta-bpe", AddsBos = true, AddsEos = true },
        Gpt2 with { Name = "modern-bert", AddsBos = true, AddsEos = true, Normalizer = Qwen2.Normalizer },
    ];

    /// <summary>A word that is a token is taken as it stands.</summary>
    public bool IgnoresMerges { get; init; }

    /// <summary>A text begins with the beginning-of-sequence token, unless the file says otherwise.</summary>
    public bool AddsBos { get; init; }

    /// <summary>A text ends with the end-of-sequence token, unless the file says otherwise.</summary>
    public bool AddsEos { get; init; }

    /// <summary>What rewrites the text before it is split. No file says so, it belongs to the family.</summary>
    public TextNormalizer? Normalizer { get; init; }
}
