using System.Numerics.Tensors;
using LlmEmbed.Data;
using LlmEmbed.Reading;

namespace LlmEmbed.Learning;

/// <summary>
/// Attention pooling with one learned query: p = Σₜ softmaxₜ(q·xₜ) xₜ over the standardized states x of a text's tokens, and a logistic regression on
/// p. Most tokens of a text say nothing of its class, and a mean over all tokens dilutes those that do. Query and regression are learned together
/// while the network stays frozen. The query then goes into the network's graph as one more view, and the regression into the weights of the linear
/// head.
/// </summary>
internal sealed class AttentionPooling
{
    /// <summary>Few texts take more epochs, so that enough steps are taken.</summary>
    private const int LeastEpochs = 4, LeastSteps = 500, BatchTexts = 32;

    private const float LearningRate = 2e-3f;

    private readonly Standardization _standardization;
    private readonly int _classCount;
    private readonly HeadTensor _query, _weights, _intercepts; // [H], [K,H], [K]

    /// <param name="standardization">Of the states of tokens.</param>
    /// <param name="classCount">C.</param>
    public AttentionPooling(Standardization standardization, int classCount)
    {
        int hiddenSize = standardization.Mean.Length, outputs = LogisticLoss.OutputsFor(classCount);
        (_standardization, _classCount) = (standardization, classCount);
        _query = new("query", [hiddenSize], new float[hiddenSize]);
        _weights = new("weight", [outputs, hiddenSize], new float[outputs * hiddenSize]);
        _intercepts = new("bias", [outputs], new float[outputs]);
    }

    /// <summary>Query, weights and intercepts.</summary>
    public IReadOnlyList<HeadTensor> Parameters => [_query, _weights, _intercepts];

    /// <summary>Pools the states of one text.</summary>
    /// <param name="states">[tokens,H].</param>
    /// <param name="query">[H].</param>
    /// <param name="weights">[tokens] or longer, to be filled: each token's share.</param>
    /// <param name="pooled">[H], to be filled.</param>
    public static void Pool(ReadOnlySpan<float> states, float[] query, Span<float> weights, Span<float> pooled)
    {
        int size = query.Length, count = states.Length / size;
        for (int t = 0; t < count; t++) weights[t] = TensorPrimitives.Dot(states.Slice(t * size, size), query);
        SoftMax(weights[..count]);
        pooled.Clear();
        for (int t = 0; t < count; t++) TensorPrimitives.MultiplyAdd(states.Slice(t * size, size), weights[t], pooled, pooled);
    }

    /// <summary>Replaces scores by their softmax. TensorPrimitives does not subtract the largest score first and would overflow.</summary>
    private static void SoftMax(Span<float> scores)
    {
        if (scores.IsEmpty) return;
        TensorPrimitives.Subtract(scores, TensorPrimitives.Max<float>(scores), scores);
        TensorPrimitives.SoftMax<float>(scores, scores);
    }

    /// <summary>Trained by Adam, text after text in one thread, so that the result does not depend on the number of threads.</summary>
    /// <param name="tokens">States of all texts.</param>
    /// <param name="data">With the labels of all texts.</param>
    /// <param name="rows">The texts that it is trained on.</param>
    /// <param name="weighting">How rare classes are weighed.</param>
    /// <param name="seed">Of the order of texts.</param>
    /// <param name="cancellationToken">Stops between two epochs.</param>
    public static AttentionPooling Fit(
        TokenStates tokens, HeadTrainingData data, int[] rows, ClassWeighting weighting, ulong seed, CancellationToken cancellationToken)
    {
        int[] counts = new int[data.ClassCount];
        foreach (int row in rows) counts[data.Labels[row]]++;
        double[] classWeights = ClassWeights.Of(weighting, counts);
        AttentionPooling pooling = new(StandardizationOf(tokens, rows), data.ClassCount);
        float[][] gradients = [.. pooling.Parameters.Select(parameter => new float[parameter.Values.Length])];
        Adam adam = new(pooling.Parameters, LearningRate, threads: 1);
        Work work = new(tokens.HiddenSize, data.ClassCount);
        DeterministicRandom random = new(seed);
        int[] order = [.. rows];
        int batches = (rows.Length + BatchTexts - 1) / BatchTexts, step = 0;
        int epochs = Math.Max(LeastEpochs, (LeastSteps + batches - 1) / batches);
        for (int epoch = 0; epoch < epochs; epoch++)
        {
            cancellationToken.ThrowIfCancellationRequested();
            random.Shuffle<int>(order);
            for (int first = 0; first < order.Length; first += BatchTexts)
            {
                ReadOnlySpan<int> batch = order.AsSpan(first, Math.Min(BatchTexts, order.Length - first));
                foreach (float[] gradient in gradients) Array.Clear(gradient);
                foreach (int row in batch)
                {
                    float weight = (float)classWeights[data.Labels[row]] / batch.Length;
                    pooling.AddGradient(tokens.Of(row, tokens.Depths[0]), data.Labels[row], weight, work, gradients);
                }
                // The learning rate falls to 0, so that the order of the last texts does not matter.
                adam.Step(parameter => gradients[parameter], 1 - (float)step++ / (epochs * batches));
            }
        }
        return pooling;
    }

    /// <summary>[C] of one text, from the states [tokens,H] of its tokens.</summary>
    public void Logits(ReadOnlySpan<float> states, Span<double> logits)
    {
        Work work = new(_query.Values.Length, _classCount);
        Forward(states, work);
        for (int k = 0; k < logits.Length; k++) logits[k] = work.Logits[k];
    }

    private void Forward(ReadOnlySpan<float> states, Work work)
    {
        int size = _query.Values.Length, count = states.Length / size;
        work.Reserve(count);
        for (int t = 0; t < count; t++) _standardization.Apply(states.Slice(t * size, size), work.Tokens.AsSpan(t * size, size));
        Pool(work.Tokens.AsSpan(0, count * size), _query.Values, work.Weights, work.Pooled);
        Array.Clear(work.Logits);
        int outputs = _intercepts.Values.Length;
        for (int k = 0; k < outputs; k++)
        {
            float product = TensorPrimitives.Dot<float>(work.Pooled, _weights.Values.AsSpan(k * size, size));
            work.Logits[_classCount - outputs + k] = _intercepts.Values[k] + product;
        }
    }

    /// <summary>Adds the gradient of the log loss of one text, times a weight, to those of <see cref="Parameters"/>.</summary>
    public void AddGradient(ReadOnlySpan<float> states, int label, float weight, Work work, float[][] gradients)
    {
        int size = _query.Values.Length, count = states.Length / size, outputs = _intercepts.Values.Length;
        if (count == 0) return;
        Forward(states, work);
        float[] errors = work.Logits; // [C], from here on
        SoftMax(errors);
        errors[label] -= 1;
        Array.Clear(work.PooledGradient);
        for (int k = 0; k < outputs; k++)
        {
            float error = errors[_classCount - outputs + k] * weight;
            gradients[2][k] += error;
            Span<float> gradient = gradients[1].AsSpan(k * size, size);
            TensorPrimitives.MultiplyAdd(work.Pooled, error, gradient, gradient);
            TensorPrimitives.MultiplyAdd(_weights.Values.AsSpan(k * size, size), error, work.PooledGradient, work.PooledGradient);
        }
        float mean = TensorPrimitives.Dot<float>(work.PooledGradient, work.Pooled);
        for (int t = 0; t < count; t++)
        {
            float score = work.Weights[t] * (TensorPrimitives.Dot<float>(work.PooledGradient, work.Tokens.AsSpan(t * size, size)) - mean);
            TensorPrimitives.MultiplyAdd(work.Tokens.AsSpan(t * size, size), score, gradients[0], gradients[0]);
        }
    }

    /// <summary>
    /// [H], the query for states as they are. What standardization subtracts is the same for all tokens and drops out of the softmax.
    /// </summary>
    public float[] RawQuery() => [.. _query.Values.Zip(_standardization.Scale, (query, scale) => query / scale)];

    /// <summary>A head for features with the pooled states among them.</summary>
    /// <param name="head">The head for the features without them.</param>
    /// <param name="offset">The channel from which on the pooled states stand.</param>
    /// <param name="factor">By which the logits of the pooled states are multiplied before they are added.</param>
    public LinearHead AddTo(LinearHead head, int offset, float factor)
    {
        float[] Insert(float[] row, IEnumerable<float> values) => [.. row[..offset], .. values, .. row[offset..]];
        int outputs = head.Intercepts.Length, size = _query.Values.Length;
        float[] weights = [.. Enumerable.Range(0, outputs).SelectMany(k => Insert(
            head.Weights[(k * head.FeatureCount)..((k + 1) * head.FeatureCount)],
            _weights.Values[(k * size)..((k + 1) * size)].Select(weight => factor * weight)))];
        Standardization standardization = new(
            Insert(head.Standardization.Mean, _standardization.Mean), Insert(head.Standardization.Scale, _standardization.Scale));
        float[] intercepts = [.. head.Intercepts.Zip(_intercepts.Values, (own, added) => own + factor * added)];
        return new LinearHead(head.ClassCount, standardization, weights, intercepts);
    }

    private static Standardization StandardizationOf(TokenStates tokens, int[] rows)
    {
        int size = tokens.HiddenSize;
        double[] sum = new double[size], squares = new double[size];
        // Differences from some token keep the sum of squares from cancelling.
        float[] shift = [.. tokens.Of(rows.First(row => tokens.Of(row, tokens.Depths[0]).Length > 0), tokens.Depths[0])[..size]];
        double[] difference = new double[size];
        float[] shifted = new float[size];
        long count = 0;
        foreach (int row in rows)
        {
            ReadOnlySpan<float> states = tokens.Of(row, tokens.Depths[0]);
            for (int t = 0; t < states.Length; t += size, count++)
            {
                TensorPrimitives.Subtract(states.Slice(t, size), shift, shifted);
                TensorPrimitives.ConvertSaturating<float, double>(shifted, difference);
                TensorPrimitives.Add(sum, difference, sum);
                TensorPrimitives.MultiplyAdd(difference, difference, squares, squares);
            }
        }
        return Standardization.FromSums(shift, sum, squares, count);
    }

    /// <summary>The arrays that the pass of one text needs, kept for the next text.</summary>
    public sealed class Work(int hiddenSize, int classCount)
    {
        public float[] Tokens { get; private set; } = []; // [tokens,H]

        public float[] Weights { get; private set; } = []; // [tokens]

        public float[] Pooled { get; } = new float[hiddenSize];

        public float[] PooledGradient { get; } = new float[hiddenSize];

        public float[] Logits { get; } = new float[classCount];

        public void Reserve(int tokens)
        {
            if (Weights.Length >= tokens) return;
            Weights = new float[tokens];
            Tokens = new float[tokens * hiddenSize];
        }
    }
}
