using LlmEmbed.Models;

namespace LlmEmbed;

/// <summary>How a backbone is run over texts.</summary>
public sealed record EncoderOptions
{
    /// <summary>The views to keep, exactly; null leaves them to <see cref="Depths"/> and <see cref="Poolings"/>.</summary>
    public IReadOnlyList<View>? Views { get; init; }

    /// <summary>The views to keep, by what the backbone turns out to be; goes before <see cref="Depths"/> and <see cref="Poolings"/>.</summary>
    internal Func<Backbone, IReadOnlyList<View>>? ViewsOf { get; init; }

    /// <summary>[H], what <see cref="Pooling.Attention"/> weighs tokens by; null where no view needs it.</summary>
    internal float[]? AttentionQuery { get; init; }

    /// <summary>
    /// Depths as a comma-separated list of: a number, a negative number counted from the last depth, a share of the blocks (50%), last5 (the last five), all.
    /// Null takes the depths of <see cref="DefaultViews"/>.
    /// </summary>
    public string? Depths { get; init; }

    /// <summary>Poolings, each applied at each of the depths; null takes the default for the architecture.</summary>
    public IReadOnlyList<Pooling>? Poolings { get; init; }

    /// <summary>Longest input in tokens, special tokens included; longer texts lose their end. Null takes 256, or the model's own limit where that is lower.</summary>
    public int? MaxTokens { get; init; }

    /// <summary>
    /// A template around every text, such as "Review: {text}\nSentiment:", with <c>{text}</c> once; null for none. Means and maxima run over the text's own tokens,
    /// <see cref="Pooling.Last"/> is the prompt's last token, and too long texts lose their end, never the prompt.
    /// </summary>
    public string? Prompt { get; init; }

    /// <summary>
    /// Reads a decoder's texts behind a line break where its tokenizer puts nothing before them and there is no other <see cref="Prompt"/>: the first token's state says
    /// nothing of the text, so it should not be the text's.
    /// </summary>
    internal bool LeadsTexts { get; init; }

    /// <summary>Pads every text to this many tokens, as the released LLMEmbed recipe does; only useful with <see cref="Pooling.MeanWithPads"/>. Null pads to the longest text of a batch, which changes nothing.</summary>
    public int? PadTo { get; init; }

    /// <summary>The numbers that matrix products are computed in.</summary>
    public Precision Precision { get; init; }

    /// <summary>
    /// Memory to get along with; a backbone that needs more is loaded block by block, with many texts going through each before the next. Null uses what the backbone needs.
    /// </summary>
    public long? MemoryBytes { get; init; }

    /// <summary>Threads of the engine; null takes one for each physical core. Results do not depend on it.</summary>
    public int? Threads { get; init; }

    /// <summary>Folder in which embeddings are kept, one sub-folder per encoder; null keeps none.</summary>
    public string? CacheFolder { get; init; }

    /// <summary>Folder in which quantized weights are kept, so that only the first start quantizes; null takes <see cref="CacheFolder"/>.</summary>
    public string? WeightsFolder { get; init; }

    /// <summary>Folders in which backbones named without a path are looked for, before the usual places.</summary>
    public IReadOnlyList<string> ModelFolders { get; init; } = [];

    /// <summary>
    /// Views from the middle of the network, where small models carry most of what classifiers need: for a decoder of L blocks <see cref="Pooling.MeanSkipFirst"/>
    /// at L/2 and 4L/5 and <see cref="Pooling.Last"/> at 3L/5, for an encoder <see cref="Pooling.Mean"/> at 2L/3 and L. With few blocks some of these coincide and are kept once.
    /// </summary>
    /// <param name="isDecoder">Whether a token sees only the tokens before it.</param>
    /// <param name="blockCount">L.</param>
    public static IReadOnlyList<View> DefaultViews(bool isDecoder, int blockCount)
    {
        int At(double share) => (int)Math.Round(share * blockCount, MidpointRounding.AwayFromZero);
        View[] views = isDecoder
            ? [new(At(1.0 / 2), Pooling.MeanSkipFirst), new(At(3.0 / 5), Pooling.Last), new(At(4.0 / 5), Pooling.MeanSkipFirst)]
            : [new(At(2.0 / 3), Pooling.Mean), new(blockCount, Pooling.Mean)];
        return views.Distinct().ToArray();
    }
}

/// <summary>The numbers that matrix products are computed in. Everything between them is fp32 always.</summary>
public enum Precision
{
    /// <summary>Int8 where it keeps the pooled states of a small built-in sample (centred cosine with fp32 at least 0.99), fp32 otherwise.</summary>
    Auto,

    /// <summary>32-bit floating point.</summary>
    Fp32,

    /// <summary>8-bit integers: weights with a scale for each output, inputs with a scale for each token.</summary>
#pragma warning disable CA1720 // int8 is what the field calls it
    Int8,
#pragma warning restore CA1720
}

/// <summary>The names of precisions as options and files write them.</summary>
internal static class PrecisionNames
{
    public static string NameOf(Precision precision) => precision.ToString().ToLowerInvariant();

    /// <returns>Null where there is no such precision.</returns>
    public static Precision? Find(string name) => Enum.GetValues<Precision>().Cast<Precision?>().FirstOrDefault(precision => NameOf(precision!.Value) == name);
}
