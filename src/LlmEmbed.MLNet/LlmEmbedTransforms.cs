using LlmEmbed;
using Microsoft.ML.Data;

namespace Microsoft.ML;

/// <summary>
/// Steps of LlmEmbed for ML.NET's pipelines. Each text is read alone; to classify many at once use <see cref="TextClassifier"/> itself.
/// </summary>
public static class LlmEmbedTransforms
{
    /// <summary>
    /// Classifies a text column. New columns: <c>PredictedLabel</c> (text; empty for a text without content), <c>Probability</c>, <c>Score</c> (the
    /// probability of each class, in the order of <see cref="ITextClassifier.Labels"/>) and <c>IsTruncated</c>. The step is saved with the pipeline,
    /// as the name of the folder; a program that loads it calls <c>ml.ComponentCatalog.RegisterAssembly(typeof(LlmEmbedTransforms).Assembly)</c>
    /// first. In a pipeline that was loaded, ML.NET no longer knows the length of <c>Score</c>, nor the names of its slots.
    /// </summary>
    /// <param name="catalog">The transforms of an <c>MLContext</c>.</param>
    /// <param name="folder">A trained classifier; a relative path is looked for in the working folder of whoever uses the pipeline.</param>
    /// <param name="inputColumnName">The column of texts.</param>
    /// <exception cref="LlmEmbedException">The folder is no classifier, or a backbone is missing.</exception>
    public static IEstimator<ITransformer> LlmEmbedPredict(this TransformsCatalog catalog, string folder, string inputColumnName = "Text")
    {
        ArgumentNullException.ThrowIfNull(catalog);
        ArgumentNullException.ThrowIfNull(folder);
        const string Text = nameof(PredictInput.LlmEmbedText), Folder = nameof(PredictInput.LlmEmbedFolder);
        SchemaDefinition output = SchemaDefinition.Create(typeof(PredictOutput));
        Describe(output[nameof(PredictOutput.Score)], LlmEmbedClassifiers.Get(folder).Labels);
        return catalog.CopyColumns(Text, inputColumnName)
            .Append(catalog.Expression(Folder, $"text => {Quoted(folder)}", Text))
            .Append(catalog.CustomMapping<PredictInput, PredictOutput>(PredictMapping.Predict, PredictMapping.Contract, null, output))
            .Append(catalog.DropColumns(Text, Folder));
    }

    /// <summary>
    /// Turns a text column into the column <c>Features</c>, a vector of all views of an encoder, for ML.NET's own trainers. ML.NET cannot save this
    /// step: save the model that was trained behind it, and put the same step before it after loading. Trainers read their data more than once, so
    /// let a cache follow it (<c>AppendCacheCheckpoint</c>).
    /// </summary>
    /// <param name="catalog">The transforms of an <c>MLContext</c>.</param>
    /// <param name="encoder">Reads the texts; it must outlive the step.</param>
    /// <param name="inputColumnName">The column of texts.</param>
    public static IEstimator<ITransformer> LlmEmbedFeatures(this TransformsCatalog catalog, ITextEncoder encoder, string inputColumnName = "Text")
    {
        ArgumentNullException.ThrowIfNull(catalog);
        ArgumentNullException.ThrowIfNull(encoder);
        SchemaDefinition input = SchemaDefinition.Create(typeof(FeaturesInput)), output = SchemaDefinition.Create(typeof(FeaturesOutput));
        input[nameof(FeaturesInput.Text)].ColumnName = inputColumnName;
        int size = encoder.Views.Count * encoder.HiddenSize;
        output[nameof(FeaturesOutput.Features)].ColumnType = new VectorDataViewType(NumberDataViewType.Single, size);
        return catalog.CustomMapping<FeaturesInput, FeaturesOutput>(
            (row, features) => features.Features = encoder.Encode([row.Text])[0].ToArray(), contractName: null, input, output);
    }

    /// <summary>One number for each class, and their names where ML.NET looks for the names of slots.</summary>
    private static void Describe(SchemaDefinition.Column score, IReadOnlyList<string> labels)
    {
        score.ColumnType = new VectorDataViewType(NumberDataViewType.Single, labels.Count);
        VBuffer<ReadOnlyMemory<char>> names = new(labels.Count, [.. labels.Select(label => label.AsMemory())]);
        score.AddAnnotation("SlotNames", names, new VectorDataViewType(TextDataViewType.Instance, labels.Count));
    }

    /// <summary>A text as the language of ML.NET's expressions writes it.</summary>
    private static string Quoted(string text) =>
        '"' + text.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\"", "\\\"", StringComparison.Ordinal) + '"';
}
