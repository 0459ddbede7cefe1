using System.Globalization;
using System.Text.Json;
using LlmEmbed.Engine;

namespace LlmEmbed.Benchmarks;

/// <summary>
/// One epoch of the released recipe's head at the paper's size, its features read from a mapped file, as a share of the matrix product rate that is
/// measured in turn. The features come from synthetic backbones that have the hidden sizes of LLaMA-2-7B and RoBERTa-large and are quick to read.
/// </summary>
internal static class HeadEpoch
{
    private const int Decoder = 4096, DecoderViews = 5, Encoder = 1024, EncoderViews = 2, Hidden1 = 1024, Hidden2 = 256, Classes = 2;

    /// <summary>Texts that differ. More of them would take longer to read and say nothing more about the speed of the head.</summary>
    private const int DistinctTexts = 1024;

    /// <summary>
    /// Memory of the training (bytes). The decoder gets along with it, and features that take more than a quarter of it are kept in a mapped file.
    /// </summary>
    private const long MemoryBytes = 1_600_000_000;

    public static int Run(int rows)
    {
        DirectoryInfo folder = Directory.CreateTempSubdirectory("llmembed-bench-");
        string[] words = [.. Enumerable.Range(0, DistinctTexts).Select(i => $"w{i}")];
        string decoder = Path.Combine(folder.FullName, "decoder"), encoder = Path.Combine(folder.FullName, "encoder");
        int vocabulary = WriteTokenizer(folder.CreateSubdirectory("decoder"), words);
        WriteTokenizer(folder.CreateSubdirectory("encoder"), words);
        SyntheticCheckpoint.WriteLlama(
            decoder, vocabulary, Decoder, intermediate: 64, heads: 32, keyHeads: 1, blocks: DecoderViews - 1, fillsBlocks: false);
        SyntheticCheckpoint.WriteBert(encoder, vocabulary, Encoder);

        LabeledText[] examples = [.. Enumerable.Range(0, rows).Select(row => new LabeledText(words[row % DistinctTexts], $"{row % Classes}"))];
        Recipe recipe = new Recipe.Reference { Roles = new(decoder, encoder, encoder), Sigma = 0.1f, Epochs = 1, Precision = Precision.Fp32 };
        RuntimeOptions runtime = new() { CacheFolder = Path.Combine(folder.FullName, "cache"), MemoryBytes = MemoryBytes };
        Measurement seconds = new(), shares = new();
        for (int i = 0; i < Bench.Repetitions; i++)
        {
            using TextClassifier classifier = TextClassifier.Train(examples, new() { Recipe = recipe }, runtime);
            double peak = EnginePeak.Measure(Precision.Fp32, size: 2048, seconds: 1);
            seconds.Add(classifier.Training!.HeadTime.TotalSeconds);
            shares.Add(100 * rows * OperationsPerRow / seconds.Last / peak);
        }
        folder.Delete(recursive: true);
        int features = DecoderViews * Decoder + EncoderViews * Encoder;
        double bytes = (double)rows * features * sizeof(float);
        string place = bytes > MemoryBytes / 4 ? "from a mapped file" : "from memory, since they are few";
        double parameters = Layers.Sum(layer => (layer.Inputs + 1.0) * layer.Outputs);
        return Bench.Table(
            string.Create(CultureInfo.InvariantCulture, $"One epoch of the reference head, {parameters / 1e6:0.0} M parameters, {rows:N0} rows of ") +
                string.Create(CultureInfo.InvariantCulture, $"{features:N0} features ({bytes / 1e9:0.0} GB) {place}; ") +
                $"median of {Bench.Repetitions} (range).",
            ["seconds", "% of the matrix product rate"],
            [[seconds.Show("0.0"), shares.Show("0")]]);
    }

    /// <summary>
    /// The head's layers: each view of the decoder is compressed to the encoders' size; the first layer behind them reads the inner products of all
    /// pairs of views and the mean of the decoder's views.
    /// </summary>
    private static (int Inputs, int Outputs, bool IsFirst)[] Layers { get; } =
    [
        .. Enumerable.Repeat((Decoder, Encoder, true), DecoderViews),
        ((DecoderViews + EncoderViews) * (DecoderViews + EncoderViews) + Decoder, Hidden1, true),
        (Hidden1, Hidden2, false),
        (Hidden2, Classes, false),
    ];

    /// <summary>
    /// A multiplication and an addition for each weight, forward and for the weight's gradient, and behind the first layers for the gradient of the
    /// input too. The inner products of the views, and the gradient that flows through them to the compressing layers, are too small to count.
    /// </summary>
    private static double OperationsPerRow { get; } = Layers.Sum(layer => (layer.IsFirst ? 4.0 : 6.0) * layer.Inputs * layer.Outputs);

    /// <summary>A tokenizer to which each of the words is a token.</summary>
    /// <returns>The number of token ids.</returns>
    private static int WriteTokenizer(DirectoryInfo folder, string[] words)
    {
        Dictionary<string, int> ids = ((string[])["[PAD]", "[UNK]", .. words]).Index().ToDictionary(word => word.Item, word => word.Index);
        object tokenizer = new
        {
            version = "1.0",
            added_tokens = Array.Empty<object>(),
            normalizer = (object?)null,
            pre_tokenizer = new { type = "BertPreTokenizer" },
            post_processor = (object?)null,
            decoder = (object?)null,
            model = new { type = "WordPiece", unk_token = "[UNK]", continuing_subword_prefix = "##", max_input_chars_per_word = 100, vocab = ids },
        };
        File.WriteAllText(Path.Combine(folder.FullName, "tokenizer.json"), JsonSerializer.Serialize(tokenizer));
        return ids.Count;
    }
}
