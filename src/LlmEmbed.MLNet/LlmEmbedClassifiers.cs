using LlmEmbed.Reading;

namespace LlmEmbed;

/// <summary>
/// The classifiers that ML.NET's pipelines of this process use, by the folder that a pipeline names. Each is loaded when it is first needed and kept
/// for as long as the process runs; all of them share their backbones.
/// </summary>
public static class LlmEmbedClassifiers
{
    private static readonly Dictionary<string, ITextClassifier> Loaded = new(StringComparer.Ordinal);
    private static readonly Lock Gate = new();
    private static OpenBackbones? s_backbones;

    /// <summary>
    /// Has pipelines that name a folder use this classifier from now on: because the folder lies elsewhere on this machine, because the classifier
    /// runs with other <see cref="RuntimeOptions"/>, or in a test.
    /// </summary>
    /// <param name="folder">The folder, as the pipeline names it.</param>
    /// <param name="classifier">The classifier; it stays the caller's and must outlive the pipelines.</param>
    public static void Use(string folder, ITextClassifier classifier)
    {
        ArgumentNullException.ThrowIfNull(folder);
        ArgumentNullException.ThrowIfNull(classifier);
        lock (Gate) Loaded[folder] = classifier;
    }

    /// <exception cref="LlmEmbedException">The folder is no classifier, or a backbone is missing.</exception>
    internal static ITextClassifier Get(string folder)
    {
        lock (Gate)
        {
            if (!Loaded.TryGetValue(folder, out ITextClassifier? classifier))
                Loaded.Add(folder, classifier = TextClassifier.Load(folder, s_backbones ??= new OpenBackbones()));
            return classifier;
        }
    }
}
