using System.Globalization;

namespace LlmEmbed.Benchmarks;

/// <summary>
/// The share of computed tokens that are padding. Batches depend on the lengths of the texts only, so that it suffices to read depth 0, for which no
/// block runs.
/// </summary>
internal static class Padding
{
    private static readonly ViewSelection Depth0 = ViewSelection.At("0");

    public static int Run(string[] files)
    {
        List<string[]> rows = [];
        foreach (string file in files)
        {
            string[] texts = Bench.ReadTexts(file);
            foreach (string starter in Bench.Starters)
            {
                using TextEncoder encoder = TextEncoder.Load(starter, new() { Precision = Precision.Fp32, Views = Depth0 }, Bench.Runtime);
                string name = $"{Bench.DataSetOf(file)}/{Path.GetFileName(file)}";
                rows.Add([name, encoder.Name, $"{texts.Length:N0}", Share(encoder, [texts]), Share(encoder, PredictedTogether(starter, texts))]);
            }
        }
        return Bench.Table("Padding among the tokens that are computed.", ["file", "backbone", "texts", "train, evaluate", "predict"], rows);
    }

    /// <summary>The texts in the chunks in which a classifier reads them.</summary>
    private static List<string[]> PredictedTogether(string backbone, string[] texts)
    {
        LabeledText[] examples = [new("good", "a"), new("fine", "a"), new("bad", "b"), new("poor", "b")];
        Recipe recipe = new Recipe.Fixed { Backbones = [backbone], Views = Depth0, Head = new HeadOptions.NearestMean(), Precision = Precision.Fp32 };
        using TextClassifier classifier = TextClassifier.Train(examples, new() { Recipe = recipe }, Bench.Runtime);
        return [.. classifier.Predict(texts, text => text).Select(chunk => chunk.Items)];
    }

    private static string Share(TextEncoder encoder, List<string[]> calls)
    {
        EncodingStatistics[] statistics = [.. calls.Select(texts => encoder.Encode(texts).Statistics)];
        double real = statistics.Sum(call => call.Tokens), computed = statistics.Sum(call => call.PaddedTokens);
        return (1 - real / computed).ToString("P1", CultureInfo.InvariantCulture);
    }
}
