using System.Numerics.Tensors;
using LlmEmbed.Checkpoints;
using LlmEmbed.Engine;
using LlmEmbed.Reading;

namespace LlmEmbed.Models;

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

    /// <summary>Int8 is close enough where the mean cosine of every view is at least this.</summary>
    public const double LeastSimilarity = 0.99;

    /// <summary>Sentences that the calibration has not seen, on which the two precisions are compared.</summary>
    public static readonly IReadOnlyList<string> CheckedSentences =
    [
        "The waiter was friendly, but the soup arrived cold and the bread was stale.",
        "Oil prices rose for the third day in a row as supplies tightened.",
        "How do I reset my password if I no longer have that phone number?",
        "It is the kind of film you forget before you have reached the car park.",
        "The museum reopens in spring after two years of repairs.",
        "Please cancel my subscription and refund the last payment.",
        "Scientists found traces of water in the oldest rocks of the island.",
        "What a goal!!! Best match of the season so far.",
        "The update broke the printer again; nothing but error 0x80070005.",
        "She plays the detective with so much warmth that you forgive the plot.",
        "Parliament passed the budget by a narrow majority on Thursday.",
        "My new headphones stopped charging after a week.",
        "The recipe needs two eggs, a cup of flour and a pinch of salt.",
        "Net profit was 4.1 million dollars against 3.8 million a year ago.",
        "un film magnifique, drôle et triste à la fois",
        "I have been waiting for an answer since Monday.",
        "Temperatures will fall below zero tonight in the northern valleys.",
        "A dull script, flat jokes and no chemistry between the leads.",
        "The bank raised its prime lending rate to 8.5 percent.",
        "Is there a student discount for the annual plan?",
        "The team lost its captain to an injury ten minutes before the end.",
        "Thank you so much, the replacement came the very next day.",
        "Wheat shipments to the region were suspended because of the strike.",
        "He opened the letter, read it twice and put it back without a word.",
    ];

    /// <summary>Goes through the blocks one after the other, so that the fp32 weights of one are in memory at a time.</summary>
    public static IEnumerable<(int Block, IReadOnlyList<(ProjectionGroup Group, float[] Largest)> Inputs)> Measure(
        Checkpoint checkpoint, Backbone backbone, int depth, IReadOnlyList<int[]> sentences, int threads)
    {
        float[][] states = [.. sentences.Select(ids => new float[ids.Length * backbone.HiddenSize])];
        View[] views = [new View(depth, Pooling.Mean)];
        for (int block = 0; block < depth; block++)
        {
            CalibrationLayers layers = new(checkpoint, new OnnxGraph());
            using EncoderSession session = new(backbone, layers, new BlockRange(block, block + 1), views, sentences.Max(ids => ids.Length), padTo: null, threads);
            float[][] largest = [.. layers.Groups.Select(group => new float[group.InputWidth])];
            for (int sentence = 0; sentence < sentences.Count; sentence++)
            {
                using GraphResults results = session.RunGraph([sentences[sentence]], states[sentence]);
                for (int i = 0; i < largest.Length; i++) TensorPrimitives.Max(largest[i], results.Span<float>(i), largest[i]);
                if (block + 1 < depth) results.Span<float>(results.Count - 1).CopyTo(states[sentence]);
            }
            yield return (block, [.. layers.Groups.Zip(largest)]);
        }
    }
}
