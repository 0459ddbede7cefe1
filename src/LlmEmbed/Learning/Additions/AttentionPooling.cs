using System.Numerics.Tensors;
using LlmEmbed.Data;
using LlmEmbed.Reading;

namespace LlmEmbed.Learning;

/// <summary>
/// Attention pooling with one learned query: p = Σₜ softmaxₜ(q·xₜ) xₜ over the standardized states x of a text's tokens, and a logistic regression on p. Most tokens of a text say
/// nothing of its class, and their mean waters down those that do. Query and regression are learned together; the network stays frozen, and what is learned goes into the graph as one
/// more view and into the linear head as its weights.
/// </summary>
internal sealed class AttentionPooling
{
    /// <summary>With fewer texts a query is learned by heart.</summary>
    public const int LeastTexts = 1000;

    /// <summary>What the states of all tokens may take, in memory and in the cache.</summary>
    private const long MostBytes = 1L << 30;

    /// <summary>The share of the blocks whose states are taken: no cut is lower where there are so many texts.</summary>
    private const double DepthShare = 0.6;

    /// <summary>Few texts take more epochs to get anywhere.</summary>
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

    /// <summary>What the states of all tokens may take.</summary>
    public static long MostBytesFor(TrainingOptions options) => Math.Min(MostBytes, FeatureStorage.Of(options).MemoryBytes);

    /// <summary>Query, weights and intercepts.</summary>
    public IReadOnlyList<HeadTensor> Parameters => [_query, _weights, _intercepts];

    /// <summary>The depth whose states are taken of a backbone of so many blocks.</summary>
    public static int DepthOf(int blockCount) => (int)Math.Round(DepthShare * blockCount, MidpointRounding.AwayFromZero);

    /// <summary>Learns a query for the texts of a head and finds out what it adds to the head, on texts that neither was fitted to.</summary>
    /// <param name="head">Trained on the same data.</param>
    /// <param name="data">With <see cref="HeadTrainingData.Tokens"/>.</param>
    /// <param name="validation">Of the head.</param>
    /// <param name="weighting">As for the head.</param>
    /// <param name="seed">Of the order of texts.</param>
    /// <param name="threads">Most that work at a time.</param>
    /// <param name="cancellation">Stops between two epochs.</param>
    /// <returns>
    /// The head for features with the new view among them, the view's query, its share, and the validation of both together; null where that is not clearly better or costs macro-F1.
    /// </returns>
    public static (LinearHead Head, AttentionView View, double Share, CrossValidation Together)? Add(
        LinearHead head, HeadTrainingData data, CrossValidation validation, ClassWeighting weighting, ulong seed, int threads, CancellationToken cancellation)
    {
        TokenStates tokens = data.Tokens!;
        double[] logits = new double[validation.Logits.Length];
        Parallel.For(0, validation.FoldCount, new ParallelOptions { MaxDegreeOfParallelism = threads, CancellationToken = cancellation }, fold =>
        {
            bool[] seen = validation.SeenBy(fold, data.Rows);
            AttentionPooling part = Fit(tokens, data, [.. Enumerable.Range(0, data.Rows).Where(row => seen[row])], weighting, seed, cancellation);
            for (int i = 0; i < validation.Rows.Length; i++)
                if (validation.Folds[i] == fold) part.Logits(tokens.Of(validation.Rows[i]), logits.AsSpan(i * data.ClassCount, data.ClassCount));
        });
        if (validation.PlusBestShareOf(logits, data.Labels) is not var (share, factor, together)) return null;
        AttentionPooling all = Fit(tokens, data, [.. Enumerable.Range(0, data.Rows)], weighting, seed, cancellation);
        AttentionView view = new(tokens.Backbone, tokens.Depth, all.RawQuery());
        return (all.AddTo(head, view.OffsetIn(data.Layout), (float)factor), view, share, together);
    }

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

    /// <summary>In place. The library's does not take the largest off first and overflows.</summary>
    private static void SoftMax(Span<float> scores)
    {
        if (scores.IsEmpty) return;
        TensorPrimitives.Subtract(scores, TensorPrimitives.Max<float>(scores), scores);
        TensorPrimitives.SoftMax<float>(scores, scores);
    }

    /// <summary>Trained by Adam, text by text in one thread: the result depends on nothing else.</summary>
    private static AttentionPooling Fit(TokenStates tokens, HeadTrainingData data, int[] rows, ClassWeighting weighting, ulong seed, CancellationToken cancellation)
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
        int batches = (rows.Length + BatchTexts - 1) / BatchTexts, epochs = Math.Max(LeastEpochs, (LeastSteps + batches - 1) / batches), step = 0;
        for (int epoch = 0; epoch < epochs; epoch++)
        {
            cancellation.ThrowIfCancellationRequested();
            random.Shuffle<int>(order);
            for (int first = 0; first < order.Length; first += BatchTexts)
            {
                ReadOnlySpan<int> batch = order.AsSpan(first, Math.Min(BatchTexts, order.Length - first));
                foreach (float[] gradient in gradients) Array.Clear(gradient);
                foreach (int row in batch) pooling.AddGradient(tokens.Of(row), data.Labels[row], (float)classWeights[data.Labels[row]] / batch.Length, work, gradients);
                // The rate falls to nothing, so that the order of the last texts does not matter.
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
            work.Logits[_classCount - outputs + k] = _intercepts.Values[k] + TensorPrimitives.Dot<float>(work.Pooled, _weights.Values.AsSpan(k * size, size));
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

    /// <summary>The query for states as they are; what standardization takes off is the same for all tokens and falls out of the softmax.</summary>
    private float[] RawQuery() => [.. _query.Values.Zip(_standardization.Scale, (query, scale) => query / scale)];

    /// <summary>A head for features with the pooled states among them.</summary>
    private LinearHead AddTo(LinearHead head, int offset, float factor)
    {
        float[] Insert(float[] row, IEnumerable<float> values) => [.. row[..offset], .. values, .. row[offset..]];
        int outputs = head.Intercepts.Length, size = _query.Values.Length;
        float[] weights = [.. Enumerable.Range(0, outputs).SelectMany(k => Insert(
            head.Weights[(k * head.FeatureCount)..((k + 1) * head.FeatureCount)],
            _weights.Values[(k * size)..((k + 1) * size)].Select(weight => factor * weight)))];
        Standardization standardization = new(Insert(head.Standardization.Mean, _standardization.Mean), Insert(head.Standardization.Scale, _standardization.Scale));
        return new LinearHead(head.ClassCount, standardization, weights, [.. head.Intercepts.Zip(_intercepts.Values, (own, added) => own + factor * added)]);
    }

    private static Standardization StandardizationOf(TokenStates tokens, int[] rows)
    {
        int size = tokens.HiddenSize;
        double[] sum = new double[size], squares = new double[size];
        float[] shift = [.. tokens.Of(rows.First(row => tokens.Of(row).Length > 0))[..size]]; // Differences from some token keep the sum of squares from cancelling.
        double[] difference = new double[size];
        float[] shifted = new float[size];
        long count = 0;
        foreach (int row in rows)
        {
            ReadOnlySpan<float> states = tokens.Of(row);
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

    /// <summary>What one text's pass needs, kept for the next.</summary>
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

/// <summary>The view that a learned query makes.</summary>
/// <param name="Backbone">As the features' layout names it.</param>
/// <param name="Depth">Of the states that are pooled.</param>
/// <param name="Query">[H], for states as they are.</param>
internal sealed record AttentionView(string Backbone, int Depth, float[] Query)
{
    public const string TensorName = "attention.query";

    public HeadTensor Tensor => new(TensorName, [Query.Length], Query);

    /// <summary>Where its features are set among others: behind those of its backbone.</summary>
    public int OffsetIn(FeatureLayout layout) => layout.Views.Where(view => view.Backbone == Backbone).Max(view => view.Offset + view.Size);

    /// <summary>Features with the view among them.</summary>
    /// <param name="features">[N,F].</param>
    /// <param name="layout">Of these.</param>
    /// <param name="tokens">Of the same texts.</param>
    /// <returns>[N,F+H].</returns>
    public FeatureMatrix AddTo(FeatureMatrix features, FeatureLayout layout, TokenStates tokens)
    {
        int offset = OffsetIn(layout), size = Query.Length;
        ArrayFeatures all = new(new float[checked(features.Rows * (features.Columns + size))], features.Rows, features.Columns + size);
        for (int row = 0; row < features.Rows; row++)
        {
            ReadOnlySpan<float> own = features.Row(row);
            Span<float> target = all.RowTarget(row), pooled = target.Slice(offset, size);
            own[..offset].CopyTo(target);
            own[offset..].CopyTo(target[(offset + size)..]);
            ReadOnlySpan<float> states = tokens.Of(row);
            AttentionPooling.Pool(states, Query, new float[states.Length / size], pooled);
        }
        return all;
    }
}
