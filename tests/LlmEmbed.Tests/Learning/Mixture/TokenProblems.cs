using LlmEmbed.Data;
using LlmEmbed.Learning;
using LlmEmbed.Reading;

namespace LlmEmbed.Tests.Learning;

/// <summary>Texts of tokens whose class is known, made anew from a seed.</summary>
internal static class TokenProblems
{
    public const int HiddenSize = 12;

    public const string Backbone = "decoder";

    public static float[] Normals(DeterministicRandom random, int count, double spread = 1) =>
        [.. Enumerable.Range(0, count).Select(_ => (float)(spread * HeadProblems.Normal(random)))];

    /// <summary>Noise as the states of texts with given numbers of tokens.</summary>
    public static TokenStates Noise(DeterministicRandom random, int hiddenSize, int depth, params int[] counts)
    {
        TokenStates tokens = TokenStates.Allocate(Backbone, [depth], hiddenSize, counts, long.MaxValue)!;
        for (int row = 0; row < counts.Length; row++) Normals(random, counts[row] * hiddenSize).CopyTo(tokens.Of(row, depth));
        return tokens;
    }

    /// <summary>
    /// Texts of thirty tokens of noise, one of them marked by its first channel and with a channel for its class, and their means as features.
    /// </summary>
    /// <param name="rows">The number of texts.</param>
    /// <param name="classCount">C; the classes take turns.</param>
    /// <param name="seed">Of the noise.</param>
    /// <param name="tells">Whether the marked token tells the class of its text, or any class.</param>
    /// <param name="depths">At each of which the states are others of the same kind.</param>
    public static HeadTrainingData OneTokenTells(int rows, int classCount, ulong seed, bool tells = true, params int[] depths)
    {
        const int Count = 30;
        if (depths.Length == 0) depths = [0];
        DeterministicRandom random = new(seed);
        int[] labels = [.. Enumerable.Range(0, rows).Select(row => row % classCount)];
        TokenStates tokens = TokenStates.Allocate(Backbone, depths, HiddenSize, [.. labels.Select(_ => Count)], long.MaxValue)!;
        float[] means = new float[rows * HiddenSize];
        for (int row = 0; row < rows; row++)
        {
            foreach (int depth in depths)
            {
                Span<float> states = tokens.Of(row, depth);
                Normals(random, Count * HiddenSize).CopyTo(states);
                int marked = random.Next(Count) * HiddenSize;
                states[marked] += 6;
                states[marked + 1 + (tells ? labels[row] : random.Next(classCount))] += 3;
            }
            ReadOnlySpan<float> first = tokens.Of(row, depths[0]);
            for (int i = 0; i < first.Length; i++) means[row * HiddenSize + i % HiddenSize] += first[i] / Count;
        }
        return HeadProblems.Data(means, labels, classCount) with { Tokens = [tokens] };
    }
}
