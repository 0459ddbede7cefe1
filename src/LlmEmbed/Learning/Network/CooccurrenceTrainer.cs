using LlmEmbed.Data;
using LlmEmbed.Engine;
using LlmEmbed.Evaluation;

namespace LlmEmbed.Learning;

/// <summary>A trained co-occurrence head.</summary>
/// <param name="Head">The head.</param>
/// <param name="Epochs">The passes over the training rows that the head is from.</param>
/// <param name="HeldOutRows">The rows it was not trained on; empty if training used all rows.</param>
/// <param name="HeldOutLogits">[HeldOutRows, C].</param>
/// <param name="Temperature">The temperature that calibrates these logits; 1 if there are none.</param>
internal sealed record CooccurrenceTraining(CooccurrenceHead Head, int Epochs, int[] HeldOutRows, double[] HeldOutLogits, double Temperature);

/// <summary>
/// Trains a co-occurrence head with Adam on mini-batches. The seed decides initial weights, order and dropout, so the same seed gives the same head.
/// </summary>
internal sealed class CooccurrenceTrainer : IDisposable
{
    private const string Stage = "Training the head";

    /// <summary>The least number of steps between two evaluations on the held-out rows: several epochs if an epoch has fewer.</summary>
    private const int StepsPerEvaluation = 25;

    private readonly HeadTrainingData _data;
    private readonly CooccurrenceOptions _options;
    private readonly CooccurrenceShape _shape;
    private readonly Standardization _standardization;
    private readonly DeterministicRandom _random;
    private readonly double[] _classWeights;
    private readonly IReadOnlyList<HeadTensor> _parameters;
    private readonly Adam _adam;
    private readonly GraphSession _step;
    private readonly GraphSession _evaluation;
    private readonly ViewBatch _batch;
    private readonly float[] _targets;
    private readonly List<(string Name, int Width, float[] Values)> _masks = [];

    public CooccurrenceTrainer(
        HeadTrainingData data, CooccurrenceOptions options, CancellationToken cancellationToken, IReadOnlyList<HeadTensor>? initial = null)
    {
        (_data, _options) = (data, options);
        _shape = new CooccurrenceShape(data.Layout, data.ClassCount, options.Hidden1, options.Hidden2, options.Fusion);
        _standardization = options.Standardize
            ? Standardization.Of(data, options.Threads, cancellationToken)
            : Standardization.None(data.Features.Columns);
        _classWeights = ClassWeights.Of(options.ClassWeighting, data.ClassCounts);
        _random = new DeterministicRandom(options.Seed);
        _parameters = initial ?? _shape.Initialize(_random.NextUInt64());
        _adam = new Adam(_parameters, options.LearningRate, options.Threads);
        _step = new GraphSession(CooccurrenceGraph.TrainingStep(_shape, options), options.Threads);
        _evaluation = new GraphSession(CooccurrenceGraph.Evaluation(_shape, options), options.Threads);
        int capacity = Math.Min(options.BatchSize, data.Rows);
        _batch = new ViewBatch(data.Layout, _standardization, capacity);
        _targets = new float[capacity * data.ClassCount];
        if (options.Dropout > 0)
        {
            for (int layer = 0; layer < _shape.CompressedViews.Count; layer++) AddMask(CooccurrenceShape.CompressName(layer), _shape.Width);
            AddMask("fc1", options.Hidden1);
            AddMask("fc2", options.Hidden2);
        }

        void AddMask(string layer, int width) => _masks.Add((CooccurrenceGraph.MaskName(layer), width, new float[capacity * width]));
    }

    public static CooccurrenceTraining Train(
        HeadTrainingData data, CooccurrenceOptions options, IProgress<WorkProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        using CooccurrenceTrainer trainer = new(data, options, cancellationToken);
        return trainer.Train(progress, cancellationToken);
    }

    public IReadOnlyList<HeadTensor> Parameters => _parameters;

    public CooccurrenceTraining Train(IProgress<WorkProgress>? progress, CancellationToken cancellationToken)
    {
        (int[] rows, int[] heldOut) = _options.Patience is null
            ? (Enumerable.Range(0, _data.Rows).ToArray(), [])
            : StratifiedSplit.HoldOut(_data.Labels, _options.HeldOutFraction, _options.Seed, _data.Groups);
        int[] heldOutLabels = [.. heldOut.Select(row => _data.Labels[row])];
        int stepsPerEpoch = (rows.Length + _options.BatchSize - 1) / _options.BatchSize;
        int epochs = Math.Max(_options.MaxEpochs, (_options.MinSteps + stepsPerEpoch - 1) / stepsPerEpoch);
        int epochsPerEvaluation = Math.Max(1, StepsPerEvaluation / stepsPerEpoch);

        (double Loss, int Epoch, double[] Logits, float[][] Values) best = (double.PositiveInfinity, 0, [], []);
        int epoch = 0;
        for (int evaluationsWithoutGain = 0; epoch < epochs && !(evaluationsWithoutGain >= _options.Patience); epoch++)
        {
            progress?.Report(new WorkProgress(Stage, epoch, epochs, "epochs"));
            RunEpoch(rows, cancellationToken);
            if (heldOut.Length == 0 || (epoch + 1) % epochsPerEvaluation != 0) continue;
            double[] logits = Logits(heldOut, cancellationToken);
            double loss = TemperatureScaling.NegativeLogLikelihoods(logits, heldOutLabels, temperature: 1).Average();
            evaluationsWithoutGain++;
            if (loss >= best.Loss) continue;
            evaluationsWithoutGain = 0;
            best = (loss, epoch + 1, logits, [.. _parameters.Select(parameter => (float[])parameter.Values.Clone())]);
        }
        progress?.Report(new WorkProgress(Stage, epoch, epoch, "epochs"));

        if (best.Epoch > 0) Restore(best.Values);
        double temperature = best.Epoch > 0
            ? TemperatureScaling.Fit(best.Logits, heldOutLabels, TemperatureScaling.SmoothingFor(heldOut.Length))
            : 1;
        CooccurrenceHead head = new(_shape, _options, _standardization, _parameters);
        return new CooccurrenceTraining(head, best.Epoch > 0 ? best.Epoch : epoch, heldOut, best.Logits, temperature);
    }

    /// <summary>One step of Adam on the given rows.</summary>
    /// <returns>The loss before the step.</returns>
    public float Step(ReadOnlySpan<int> rows)
    {
        Fill(rows);
        FillTargets(rows);
        using GraphFeeds feeds = _batch.Feeds();
        feeds.Add("targets", _targets, rows.Length, _data.ClassCount);
        foreach ((string name, int width, float[] values) in _masks)
        {
            FillMask(values.AsSpan(0, rows.Length * width));
            feeds.Add(name, values, rows.Length, width);
        }
        AddParameters(feeds);
        using GraphResults results = _step.Run(feeds);
        _adam.Step(parameter => results.Span<float>(parameter + 1)); // the loss comes first
        return results.Span<float>(0)[0];
    }

    public void Dispose()
    {
        _step.Dispose();
        _evaluation.Dispose();
    }

    private void RunEpoch(int[] rows, CancellationToken cancellationToken)
    {
        _random.Shuffle(rows.AsSpan());
        for (int first = 0; first < rows.Length; first += _options.BatchSize)
        {
            cancellationToken.ThrowIfCancellationRequested();
            _ = Step(rows.AsSpan(first, Math.Min(_options.BatchSize, rows.Length - first)));
        }
    }

    private double[] Logits(int[] rows, CancellationToken cancellationToken)
    {
        List<double> logits = [];
        foreach (int[] block in rows.Chunk(Math.Min(_options.BatchSize, _data.Rows)))
        {
            cancellationToken.ThrowIfCancellationRequested();
            Fill(block);
            using GraphFeeds feeds = _batch.Feeds();
            AddParameters(feeds);
            using GraphResults results = _evaluation.Run(feeds);
            foreach (float logit in results.Span<float>(0)) logits.Add(logit);
        }
        return [.. logits];
    }

    private void Fill(ReadOnlySpan<int> rows)
    {
        _batch.Clear();
        foreach (int row in rows) _batch.Add(_data.Features.Row(row));
    }

    /// <summary>Each row's weight at its class; the weights of a batch sum to 1.</summary>
    private void FillTargets(ReadOnlySpan<int> rows)
    {
        double total = 0;
        foreach (int row in rows) total += _classWeights[_data.Labels[row]];
        Array.Clear(_targets);
        for (int i = 0; i < rows.Length; i++)
        {
            int label = _data.Labels[rows[i]];
            _targets[i * _data.ClassCount + label] = (float)(_classWeights[label] / total);
        }
    }

    /// <summary>Zeros and 1 / (1 - dropout), four from each random number.</summary>
    private void FillMask(Span<float> mask)
    {
        uint threshold = (uint)Math.Round(_options.Dropout * 65536);
        float kept = 1 / (1 - _options.Dropout);
        ulong bits = 0;
        for (int i = 0; i < mask.Length; i++)
        {
            bits = i % 4 == 0 ? _random.NextUInt64() : bits >> 16;
            mask[i] = (bits & 0xFFFF) < threshold ? 0 : kept;
        }
    }

    private void AddParameters(GraphFeeds feeds)
    {
        foreach (HeadTensor parameter in _parameters) feeds.Add(parameter.Name, parameter.Values, parameter.Shape);
    }

    private void Restore(float[][] values)
    {
        for (int i = 0; i < values.Length; i++) values[i].CopyTo(_parameters[i].Values, 0);
    }
}
