using System.Numerics.Tensors;
using LlmEmbed.Checkpoints;
using LlmEmbed.Graphs;

namespace LlmEmbed.Backbones;

/// <summary>Runs sentences through the fp32 blocks and keeps the largest magnitude of every channel that a matrix product reads.</summary>
internal static class Calibration
{
    /// <summary>Plain sentences of several kinds and languages; what matters is that the usual channels show their usual size.</summary>
    public static readonly IReadOnlyList<string> Sentences =
    [
        "The quick brown fox jumps over the lazy dog.",
        "I was charged twice for the same order and nobody answers my messages!",
        "Shares of the company fell 3.2% in early trading after the quarterly report.",
        "a moving, beautifully acted film that never quite finds its ending",
        "Where can I change the address of a parcel that is already on its way?",
        "In 1969, astronauts walked on the Moon for the first time.",
        "def add(a, b):\n    return a + b  # adds two numbers",
        "Das Wetter ist heute schön, aber morgen soll es regnen.",
        "<div class=\"item\">Price: $19.99</div>",
        "The committee, which had met for the third time this year, decided to postpone the vote until every member had read the revised proposal and its annexes.",
        "LOL that's soooo funny 😂😂",
        "Title: Minutes of the meeting\n\n1. Budget\n2. Staff\n3. Any other business",
    ];

    public static IReadOnlyList<(ProjectionGroup Group, float[] Largest)> Measure(
        Checkpoint checkpoint, Backbone backbone, int depth, IReadOnlyList<int[]> sentences, int threads)
    {
        OnnxGraph graph = new();
        CalibrationLayers layers = new(checkpoint, graph);
        using EncoderSession session = new(backbone, layers, [new View(depth, Pooling.Mean)], sentences.Max(ids => ids.Length), padTo: null, threads);
        float[][] largest = [.. layers.Groups.Select(group => new float[group.InputWidth])];
        foreach (int[] ids in sentences)
        {
            using GraphResults results = session.RunGraph([ids]);
            for (int i = 0; i < largest.Length; i++) TensorPrimitives.Max(largest[i], results.Span<float>(i), largest[i]);
        }
        return [.. layers.Groups.Zip(largest)];
    }
}
