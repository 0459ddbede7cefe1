using System.Numerics.Tensors;
using LlmEmbed.Checkpoints;
using LlmEmbed.Engine;

namespace LlmEmbed.Models;

/// <summary>
/// Makes int8 weights: runs sentences through the fp32 blocks and measures the largest magnitude of every channel that a linear layer reads.
/// </summary>
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
        "The committee, which had met for the third time this year, decided to postpone the vote until every member " +
        "had read the revised proposal and its annexes.",
        "LOL that's soooo funny 😂😂",
        "Title: Minutes of the meeting\n\n1. Budget\n2. Staff\n3. Any other business",
    ];

    /// <summary>Int8 is close enough if the mean cosine of every view is at least this.</summary>
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

    /// <summary>Measures and quantizes the first <paramref name="depth"/> blocks.</summary>
    /// <param name="checkpoint">Where the weights are.</param>
    /// <param name="backbone">The architecture over it.</param>
    /// <param name="depth">How many blocks.</param>
    /// <param name="sentences">Token ids of the sentences that the blocks are measured on.</param>
    /// <param name="threads">Engine threads, 0 for one per physical core.</param>
    /// <param name="pathOf">The file of a block, which is then mapped; null keeps the weights in memory.</param>
    /// <param name="blockDone">Told the number of finished blocks after each of them; what it throws ends the work. Null if nobody wants to
    /// know.</param>
    /// <returns>Weights that every session that uses them must not outlive.</returns>
    public static Int8Weights Quantize(
        Checkpoint checkpoint,
        Backbone backbone,
        int depth,
        IReadOnlyList<int[]> sentences,
        int threads,
        Func<int, string>? pathOf = null,
        Action<int>? blockDone = null)
    {
        Int8Weights weights = new();
        try
        {
            float[][] states = [.. sentences.Select(ids => Embedded(backbone, ids))];
            // Block by block, so that the fp32 weights of one block are in memory at a time.
            for (int block = 0; block < depth; block++)
            {
                weights.Add(checkpoint, Measure(checkpoint, backbone, block, states, threads), pathOf?.Invoke(block));
                blockDone?.Invoke(block + 1);
            }
            return weights;
        }
        catch
        {
            weights.Dispose();
            throw;
        }
    }

    /// <summary>Runs one block.</summary>
    /// <param name="checkpoint">Where the weights are.</param>
    /// <param name="backbone">The architecture over it.</param>
    /// <param name="block">The block.</param>
    /// <param name="states">For each sentence what enters the block, [T,E] or [T,H]; afterwards what leaves it.</param>
    /// <param name="threads">Engine threads.</param>
    /// <returns>The block's linear layers with the largest magnitude of each channel that they read.</returns>
    private static IEnumerable<(LinearGroup Group, float[] Largest)> Measure(
        Checkpoint checkpoint, Backbone backbone, int block, float[][] states, int threads)
    {
        const string Entering = "entering", Lengths = "lengths";
        int size = block == 0 ? backbone.EmbeddingSize : backbone.HiddenSize;
        using WeightStore store = new();
        CalibrationLowering lowering = new(checkpoint, store);
        Layers layers = new(lowering);
        AttentionInputs inputs = new(
            layers.Graph.Input(Entering, OnnxType.Float, null, null, size),
            layers.Graph.Input(Lengths, OnnxType.Int32, [null]),
            states.Max(state => state.Length) / size);
        string leaving = "";
        backbone.Forward(layers, inputs, new BlockRange(block, block + 1), (_, hidden) => leaving = hidden);
        layers.Graph.Output(leaving, "leaving", OnnxType.Float, null, null, backbone.HiddenSize);
        using GraphSession session = layers.Compile(threads);

        float[][] largest = [.. lowering.Groups.Select(group => new float[group.Inputs])];
        for (int sentence = 0; sentence < states.Length; sentence++)
        {
            int tokens = states[sentence].Length / size;
            using GraphFeeds feeds = new GraphFeeds().Add(Entering, states[sentence], 1, tokens, size).Add(Lengths, [tokens], 1);
            using GraphResults results = session.Run(feeds);
            for (int i = 0; i < largest.Length; i++) TensorPrimitives.Max(largest[i], results.Span<float>(i + 1), largest[i]);
            states[sentence] = results.Span<float>(0).ToArray();
        }
        return lowering.Groups.Zip(largest);
    }

    /// <summary>[T,E].</summary>
    private static float[] Embedded(Backbone backbone, int[] ids)
    {
        float[] embeddings = new float[ids.Length * backbone.EmbeddingSize];
        backbone.Embed(ids, embeddings);
        return embeddings;
    }
}
