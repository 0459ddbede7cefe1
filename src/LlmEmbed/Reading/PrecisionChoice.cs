using System.Globalization;
using System.Numerics.Tensors;
using System.Text.Json;
using System.Text.Json.Nodes;
using LlmEmbed.Files;
using LlmEmbed.Models;

namespace LlmEmbed.Reading;

/// <summary>
/// Chooses int8 if it keeps the pooled states of a small built-in sample, fp32 otherwise. What was measured is kept beside the quantized weights,
/// since it takes both precisions to find.
/// </summary>
internal sealed class PrecisionChoice(OpenBackbone backbone, BackbonePlan plan, TextPreparation preparation, RuntimeOptions runtime)
{
    /// <param name="run">Runs texts, given as token ids, in a precision: the pooled states [N,D,H].</param>
    /// <returns>The precision, and why in words for people.</returns>
    public (Precision Precision, string Reason) Choose(Func<Precision, int[][], float[]> run)
    {
        if (plan.Depth == 0) return (Precision.Fp32, "no block runs");
        double least = (Kept() ?? Measure(run)).Min();
        bool holds = least >= Calibration.LeastSimilarity;
        string judgement = holds ? "" : string.Create(CultureInfo.InvariantCulture, $", less than {Calibration.LeastSimilarity}");
        string reason = string.Create(CultureInfo.InvariantCulture, $"centred cosine of int8 with fp32 {least:0.0000}{judgement}");
        return (holds ? Precision.Int8 : Precision.Fp32, reason);
    }

    /// <summary>
    /// For each view the mean cosine, over the built-in texts, of what the two precisions give, with the mean of the texts taken off.
    /// </summary>
    private double[] Measure(Func<Precision, int[][], float[]> run)
    {
        int[][] texts = [.. Calibration.CheckedSentences.Select(preparation.Ids).Where(ids => ids.Length > 0)];
        float[] exact = run(Precision.Fp32, texts), quantized = run(Precision.Int8, texts);
        ViewRow row = backbone.RowOf(plan.Views);
        double[] similarities = [.. row.Sizes.Zip(row.Offsets, (size, offset) =>
        {
            Span<float> Of(float[] states, int text) => states.AsSpan(text * row.Length + offset, size);
            float[] mean = new float[size];
            for (int text = 0; text < texts.Length; text++) TensorPrimitives.Add(mean, Of(exact, text), mean);
            TensorPrimitives.Divide(mean, texts.Length, mean);
            return Enumerable.Range(0, texts.Length).Average(text =>
            {
                Span<float> a = Of(exact, text), b = Of(quantized, text);
                TensorPrimitives.Subtract(a, mean, a);
                TensorPrimitives.Subtract(b, mean, b);
                return (double)TensorPrimitives.CosineSimilarity<float>(a, b);
            });
        })];
        Keep(similarities);
        return similarities;
    }

    private string? KeptPath()
    {
        if (runtime.FolderOfWeights is not string folder) return null;
        string views = string.Join('-', plan.Views.Select(view => $"{view.Depth}{Poolings.NameOf(view.Pooling)}"));
        if (plan.ReadsSentence) views += backbone.Sentence.Sha256;
        string prompt = preparation.Prompt == default ? "" : string.Join(' ', preparation.Ids("text"));
        EncoderFingerprint key = new(
            ("weights", backbone.Weights.Key), ("views", views), ("pad_to", $"{plan.PadTo}"), (
                "max_tokens", $"{plan.PadTo ?? plan.MaxTokens}"), ("prompt", prompt));
        return Path.Combine(folder, "weights", $"{key.Sha256}.json");
    }

    private void Keep(double[] similarities)
    {
        if (KeptPath() is not string path) return;
        try
        {
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            AtomicFile.WriteText(path, new JsonArray([.. similarities.Select(similarity => JsonValue.Create(similarity))]).ToJsonString());
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            // The next start measures again.
        }
    }

    private double[]? Kept()
    {
        if (KeptPath() is not string path || !File.Exists(path)) return null;
        try
        {
            double[] kept = [.. JsonElement.Parse(File.ReadAllBytes(path)).EnumerateArray().Select(similarity => similarity.GetDouble())];
            return kept.Length == plan.Views.Count ? kept : null;
        }
        catch (Exception exception) when (exception is JsonException or InvalidOperationException or FormatException)
        {
            return null;
        }
    }
}
