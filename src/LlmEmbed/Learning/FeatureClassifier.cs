using LlmEmbed.Evaluation;
using LlmEmbed.Reading;

namespace LlmEmbed.Learning;

/// <summary>
/// Multinomial logistic regression on features of one's own, such as embeddings beside other numbers that are known of a text. It is the head of
/// <see cref="HeadOptions.Linear"/> without a choice of the penalty and without calibration: on standardized features it minimizes C times the sum
/// of the negative log likelihoods plus half of the squared length of the weights, as scikit-learn defines it. Intercepts are free.
/// </summary>
public sealed class FeatureClassifier
{
    private readonly LinearHead _head;

    private FeatureClassifier(LinearHead head, double objective) => (_head, Objective) = (head, objective);

    /// <summary>F, the number of features of a row.</summary>
    public int FeatureCount => _head.FeatureCount;

    /// <summary>K, the number of classes.</summary>
    public int ClassCount => _head.ClassCount;

    /// <summary>The value of the minimized function where the training ended.</summary>
    public double Objective { get; }

    /// <summary>Trains on all rows, on all cores.</summary>
    /// <param name="features">[N,F], row after row.</param>
    /// <param name="labels">[N], for each row its class as a number from 0 on.</param>
    /// <param name="c">C, the weight of the data against the penalty; more than 0. Small values keep the weights small.</param>
    /// <param name="cancellationToken">Stops the training.</param>
    /// <exception cref="ArgumentException">The features are not N equal rows, a label is negative, or C is not a number above 0.</exception>
    /// <exception cref="LlmEmbedException">There are fewer than two classes, or a feature is infinite or not a number.</exception>
    public static FeatureClassifier Train(float[] features, int[] labels, double c, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(features);
        ArgumentNullException.ThrowIfNull(labels);
        if (labels.Length == 0 || features.Length == 0 || features.Length % labels.Length != 0)
            throw new ArgumentException($"{features.Length} features are not equal rows for {labels.Length} labels.", nameof(features));
        if (labels.Min() < 0) throw new ArgumentException("A label is negative, expected numbers from 0 on.", nameof(labels));
        if (c is not (> 0 and < double.PositiveInfinity)) throw new ArgumentException($"C is {c}, expected a number above 0.", nameof(c));
        int columns = features.Length / labels.Length;
        FeatureLayout layout = new([new FeatureView("features", Depth: 0, Pooling.Mean, Offset: 0, columns)]);
        HeadTrainingData data = new(new ArrayFeatures(features, labels.Length, columns), labels, labels.Max() + 1, layout);
        LinearTraining training = LinearHeadTrainer.Train(data, new LinearOptions { Penalties = [c] }, progress: null, cancellationToken);
        return new FeatureClassifier(training.Head, training.Objective);
    }

    /// <summary>The probabilities [N,K] of the classes, row after row.</summary>
    /// <param name="features">[N,F], row after row.</param>
    /// <exception cref="ArgumentException">The features are not rows of F.</exception>
    public float[] Probabilities(ReadOnlySpan<float> features)
    {
        if (features.Length % FeatureCount != 0)
            throw new ArgumentException($"{features.Length} features are not rows of {FeatureCount}.", nameof(features));
        int rows = features.Length / FeatureCount;
        float[] values = new float[rows * ClassCount]; // [N,K]
        _head.Logits(features, rows, values);
        TemperatureScaling.ToProbabilities(values, ClassCount, temperature: 1);
        return values;
    }
}
