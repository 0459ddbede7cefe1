using System.Text.Json.Nodes;
using LlmEmbed.Reading;

namespace LlmEmbed.Learning;

/// <summary>A kind of head: one row of the table of heads.</summary>
/// <param name="Name">The name that the command line and the record of decisions have for it.</param>
/// <param name="Defaults">The options that ask for it, with their defaults.</param>
/// <param name="Train">Trains it.</param>
/// <param name="SavedAs">
/// The name of the form in which it is saved (see <see cref="IHead.Kind"/>); several kinds may share a form. Null for a kind whose form is another
/// one's.
/// </param>
/// <param name="Load">Builds it again from that form; null together with <paramref name="SavedAs"/>.</param>
internal sealed record HeadKind(string Name, HeadOptions Defaults, HeadTraining Train, string? SavedAs = null, Func<SavedHead, IHead>? Load = null);

/// <summary>Trains one kind of head on some data by a plan, whose <see cref="LearningPlan.Head"/> is of the type of options of this kind.</summary>
internal delegate TrainedHead HeadTraining(
    HeadTrainingData data, LearningPlan plan, IProgress<WorkProgress>? progress, CancellationToken cancellationToken);

/// <summary>What was saved of a head and of its words.</summary>
/// <param name="Settings">What the head needs besides its tensors (see <see cref="IHead.Settings"/>).</param>
/// <param name="Tensors">Everything that was trained.</param>
/// <param name="Layout">Of the features that the head reads.</param>
/// <param name="ClassCount">C.</param>
/// <param name="Terms">The words and pairs of words, if there were any.</param>
/// <param name="Threads">The most threads that work at a time.</param>
internal sealed record SavedHead(
    JsonObject Settings, IReadOnlyList<HeadTensor> Tensors, FeatureLayout Layout, int ClassCount, IReadOnlyList<string>? Terms, int Threads);

/// <summary>Trains and restores heads of every kind.</summary>
internal static class HeadTrainer
{
    /// <summary>Every kind of head. To add one: options in <see cref="HeadOptions"/>, a file that trains and loads it, and a row here.</summary>
    public static IReadOnlyList<HeadKind> Kinds { get; } =
    [
        new("auto", new HeadOptions.Automatic(), MixtureTrainer.Train),
        new("linear", new HeadOptions.Linear(), LogisticRegression.Train, LinearHead.KindName, LinearHead.Load),
        new("cooccurrence", new HeadOptions.Cooccurrence(), Networks.TrainCooccurrence, CooccurrenceHead.KindName, CooccurrenceHead.Load),
        new("mlp", new HeadOptions.Perceptron(), Networks.TrainPerceptron, CooccurrenceHead.KindName, CooccurrenceHead.Load),
        new("nearest-mean", new HeadOptions.NearestMean(), NearestMeanTrainer.Train, LinearHead.KindName, LinearHead.Load),
    ];

    /// <summary>The kind that some options ask for.</summary>
    public static HeadKind KindOf(HeadOptions options) => Kinds.First(kind => kind.Defaults.GetType() == options.GetType());

    /// <summary>Trains the head that a plan asks for.</summary>
    public static TrainedHead Train(
        HeadTrainingData data, LearningPlan plan, IProgress<WorkProgress>? progress = null, CancellationToken cancellationToken = default) =>
        KindOf(plan.Head).Train(data, plan, progress, cancellationToken);

    /// <summary>Builds a head again.</summary>
    /// <param name="form">The form in which it was saved.</param>
    /// <param name="saved">What was saved of it.</param>
    /// <exception cref="LlmEmbedException">The form is not known, or a tensor or a setting is missing or does not fit.</exception>
    public static IHead Load(string form, SavedHead saved)
    {
        if (Kinds.FirstOrDefault(kind => kind.SavedAs == form)?.Load is { } load) return load(saved);
        string known = string.Join(", ", Kinds.Select(kind => kind.SavedAs).OfType<string>().Distinct(StringComparer.Ordinal));
        throw new LlmEmbedException($"The head '{form}' is not known. Known: {known}.");
    }
}
