using System.Numerics.Tensors;
using LlmEmbed.Data;
using LlmEmbed.Reading;

namespace LlmEmbed.Learning;

/// <summary>How attention models are trained.</summary>
/// <param name="Steps">Steps of Adam.</param>
/// <param name="BatchTexts">Texts of a step; as many as there are, or more, takes all texts at each step.</param>
/// <param name="LearningRate">Of the first step.</param>
/// <param name="Decays">Whether the learning rate falls to 0 in the end, so that the order of the last texts does not matter.</param>
/// <param name="Penalty">The weight of |W|²/C + |q|² beside the mean log loss.</param>
/// <param name="Seed">Of the order of texts.</param>
internal sealed record AttentionSchedule(int Steps, int BatchTexts, float LearningRate, bool Decays, float Penalty, ulong Seed)
{
    /// <summary>Up to so many texts each step takes all of them, and the penalty stays the same up to so many.</summary>
    private const int FewTexts = 200, SomeTexts = 1000;

    /// <summary>The penalty for a few texts.</summary>
    private const float FewTextsPenalty = 0.01f;

    /// <summary>With many texts: those of a step, of which a fold's model sees four fifths, the least steps, and the passes over all texts.</summary>
    private const int BatchSize = 40, LeastSteps = 500, Epochs = 4;

    /// <summary>The schedule that suits so many texts.</summary>
    public static AttentionSchedule For(int texts, ulong seed) => texts <= FewTexts
        ? new(Steps: 40, texts, LearningRate: 0.015f, Decays: false, FewTextsPenalty, seed)
        : new(
            Math.Max(LeastSteps, Epochs * texts / BatchSize),
            BatchSize,
            LearningRate: 0.012f,
            Decays: true,
            FewTextsPenalty * Math.Min(1, (float)SomeTexts / texts),
            seed);
}

/// <summary>
/// Trains several attention models on the tokens of the same texts at once, each on texts of its own: one for each fold of a cross-validation and one
/// on all texts. The states of a text are standardized once for all of them, which takes most of the time otherwise. The work is done text after text
/// in one thread, so that the result does not depend on the number of threads; which models are trained together changes none of them.
/// </summary>
internal sealed class AttentionTrainer : IDisposable
{
    private readonly TokenStates _tokens;
    private readonly int _depth, _size, _classCount;
    private readonly int[] _labels;
    private readonly double[][] _textWeights;
    private readonly int[][] _seeing; // [N], for each text the models that see it
    private readonly float _penalty;
    private readonly Standardization _standardization;
    private readonly NarrowProducts _products;
    private readonly AttentionModel[] _models;
    private readonly float[][][] _gradients; // for each model those of its parameters
    private readonly float[] _queries, _pooled, _slopes, _changesOfQueries; // [A,H], of the models that see a text
    private readonly float[][] _noIntercepts; // [A] zeros for each A up to M
    private float[] _states = [], _shares = [], _changes = []; // [tokens,H] of one text, with room for three more tokens; [tokens,M]

    private AttentionTrainer(
        TokenStates tokens, int depth, Standardization standardization, int[] labels, int classCount, double[][] textWeights, float penalty)
    {
        (_tokens, _depth, _standardization, _labels, _classCount, _textWeights) = (tokens, depth, standardization, labels, classCount, textWeights);
        (_size, _penalty) = (tokens.HiddenSize, penalty);
        int[] all = [.. Enumerable.Range(0, textWeights.Length)];
        _seeing = [.. labels.Select((_, row) => Array.FindAll(all, m => textWeights[m][row] != 0))];
        _models = [.. textWeights.Select(_ => new AttentionModel(standardization, classCount))];
        _gradients = [.. _models.Select(model => model.Parameters.Select(parameter => new float[parameter.Values.Length]).ToArray())];
        float[] Vectors() => new float[_models.Length * _size];
        (_queries, _pooled, _slopes, _changesOfQueries) = (Vectors(), Vectors(), Vectors(), Vectors());
        _noIntercepts = [.. Enumerable.Range(0, _models.Length + 1).Select(count => new float[count])];
        _products = new NarrowProducts(_size);
    }

    /// <param name="tokens">States of N texts.</param>
    /// <param name="depth">Of the states.</param>
    /// <param name="standardization">Of the states of tokens.</param>
    /// <param name="labels">[N].</param>
    /// <param name="classCount">C.</param>
    /// <param name="textWeights">For each model [N], what a text counts; 0 for one that the model may not see.</param>
    /// <param name="schedule">Steps and batches.</param>
    /// <param name="cancellationToken">Stops between two steps.</param>
    public static AttentionModel[] Fit(
        TokenStates tokens,
        int depth,
        Standardization standardization,
        int[] labels,
        int classCount,
        double[][] textWeights,
        AttentionSchedule schedule,
        CancellationToken cancellationToken)
    {
        using AttentionTrainer trainer = new(tokens, depth, standardization, labels, classCount, textWeights, schedule.Penalty);
        return trainer.Fit(schedule, cancellationToken);
    }

    public void Dispose() => _products.Dispose();

    private AttentionModel[] Fit(AttentionSchedule schedule, CancellationToken cancellationToken)
    {
        Adam[] adams = [.. _models.Select(model => new Adam(model.Parameters, schedule.LearningRate, threads: 1))];
        DeterministicRandom random = new(schedule.Seed);
        int[] order = [.. Enumerable.Range(0, _labels.Length)];
        int batchTexts = Math.Min(schedule.BatchTexts, order.Length), next = order.Length;
        for (int step = 0; step < schedule.Steps; step++)
        {
            cancellationToken.ThrowIfCancellationRequested();
            if (batchTexts == order.Length) next = 0;
            else if (next + batchTexts > order.Length)
            {
                random.Shuffle<int>(order);
                next = 0;
            }
            ComputeGradients(order.AsSpan(next, batchTexts));
            next += batchTexts;
            float share = schedule.Decays ? 1 - (float)step / schedule.Steps : 1;
            for (int m = 0; m < _models.Length; m++) adams[m].Step(parameter => _gradients[m][parameter], share);
        }
        return _models;
    }

    /// <summary>The gradients of the mean log loss of some texts, and of the penalty.</summary>
    private void ComputeGradients(ReadOnlySpan<int> rows)
    {
        double[] totals = new double[_models.Length];
        foreach (int row in rows)
            for (int m = 0; m < totals.Length; m++) totals[m] += _textWeights[m][row];
        for (int m = 0; m < _models.Length; m++)
        {
            AttentionModel model = _models[m];
            TensorPrimitives.Multiply(model.Query, 2 * _penalty, _gradients[m][0]);
            TensorPrimitives.Multiply(model.Weights, 2 * _penalty / _classCount, _gradients[m][1]);
            Array.Clear(_gradients[m][2]);
        }
        foreach (int row in rows) AddGradients(row, totals);
    }

    private void AddGradients(int row, double[] totals)
    {
        int[] seeing = _seeing[row];
        int models = seeing.Length, count = Load(row);
        if (count == 0 || models == 0) return;
        foreach ((int place, int m) in seeing.Index()) TensorPrimitives.Multiply(_models[m].Query, _models[m].Factor, Of(_queries, place));
        _products.Logits(_states, count, _queries, _noIntercepts[models], _shares);
        SoftMaxOfColumns(_shares, count, models);
        Array.Clear(_pooled);
        _products.AddGradient(_states, count, _shares, models, _pooled);
        Array.Clear(_slopes);
        foreach ((int place, int m) in seeing.Index()) AddGradients(m, place, _labels[row], (float)(_textWeights[m][row] / totals[m]));
        _products.Logits(_states, count, _slopes, _noIntercepts[models], _changes);
        for (int place = 0; place < models; place++)
        {
            float mean = TensorPrimitives.Dot<float>(Of(_slopes, place), Of(_pooled, place));
            for (int i = place; i < count * models; i += models) _changes[i] = _shares[i] * (_changes[i] - mean);
        }
        Array.Clear(_changesOfQueries);
        _products.AddGradient(_states, count, _changes, models, _changesOfQueries);
        foreach ((int place, int m) in seeing.Index())
            TensorPrimitives.MultiplyAdd(Of(_changesOfQueries, place), _models[m].Factor, _gradients[m][0], _gradients[m][0]);
    }

    private Span<float> Of(float[] vectors, int place) => vectors.AsSpan(place * _size, _size);

    /// <summary>Adds the gradients of the regression of one model, and writes that of the pooled states to the slopes.</summary>
    private void AddGradients(int m, int place, int label, float weight)
    {
        AttentionModel model = _models[m];
        ReadOnlySpan<float> pooled = Of(_pooled, place);
        Span<float> slope = Of(_slopes, place);
        float[] errors = new float[_classCount];
        for (int k = 0; k < errors.Length; k++)
            errors[k] = model.Intercepts[k] + model.Factor * TensorPrimitives.Dot(pooled, model.Weights.AsSpan(k * _size, _size));
        TensorPrimitives.Subtract(errors, TensorPrimitives.Max<float>(errors), errors);
        TensorPrimitives.SoftMax<float>(errors, errors);
        errors[label] -= 1;
        for (int k = 0; k < errors.Length; k++)
        {
            float error = errors[k] * weight, scaled = error * model.Factor;
            Span<float> gradient = _gradients[m][1].AsSpan(k * _size, _size);
            _gradients[m][2][k] += error;
            TensorPrimitives.MultiplyAdd(pooled, scaled, gradient, gradient);
            TensorPrimitives.MultiplyAdd(model.Weights.AsSpan(k * _size, _size), scaled, slope, slope);
        }
    }

    /// <summary>Standardizes the states of a text.</summary>
    /// <returns>Its tokens.</returns>
    private int Load(int row)
    {
        ReadOnlySpan<float> states = _tokens.Of(row, _depth);
        int count = states.Length / _size;
        if (_shares.Length < count * _models.Length)
        {
            _states = new float[(count + 3) * _size];
            (_shares, _changes) = (new float[count * _models.Length], new float[count * _models.Length]);
        }
        for (int t = 0; t < count; t++) _standardization.Apply(states.Slice(t * _size, _size), _states.AsSpan(t * _size, _size));
        return count;
    }

    /// <summary>Replaces the scores [tokens,M] of each model by their softmax over the tokens.</summary>
    private static void SoftMaxOfColumns(float[] scores, int count, int models)
    {
        for (int m = 0; m < models; m++)
        {
            float greatest = float.NegativeInfinity, total = 0;
            for (int i = m; i < count * models; i += models) greatest = Math.Max(greatest, scores[i]);
            for (int i = m; i < count * models; i += models) total += scores[i] = MathF.Exp(scores[i] - greatest);
            for (int i = m; i < count * models; i += models) scores[i] /= total;
        }
    }
}
