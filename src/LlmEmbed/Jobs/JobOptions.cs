using LlmEmbed.Data;

namespace LlmEmbed.Jobs;

/// <summary>What a job does with which texts, and how it is cut into shards.</summary>
public sealed record JobOptions
{
    /// <summary>Files, folders (all tables in them, in the order of their paths) and patterns such as <c>data/part-*.csv.gz</c>.</summary>
    public required IReadOnlyList<string> Inputs { get; init; }

    /// <summary>What is done with each text.</summary>
    public required JobTask Task { get; init; }

    /// <summary>How the files are read, where that is not left to them.</summary>
    public TableOptions Table { get; init; } = new();

    /// <summary>The column of the texts; null to look for it as <see cref="TableReader.TextColumn"/> does.</summary>
    public string? TextColumn { get; init; }

    /// <summary>The number of shards; null leaves it to <see cref="RowsPerShard"/>.</summary>
    public int? Shards { get; init; }

    /// <summary>
    /// Rows that a shard has at least; it ends with the unit in which it reaches them. Null, where <see cref="Shards"/> is null too, makes shards
    /// that take about 15 minutes at the rate that was measured.
    /// </summary>
    public long? RowsPerShard { get; init; }

    /// <summary>
    /// Rows that go through the model together at most, among which batches are formed; null takes 4,096. Shards are ranges of such units. Plans with
    /// other units give other last bits, and units of less than about 1,000 texts take longer.
    /// </summary>
    public int? UnitRows { get; init; }
}

/// <summary>What a job does with each text.</summary>
public abstract record JobTask
{
    private protected JobTask()
    {
    }

    /// <summary>Classifies texts.</summary>
    /// <param name="Model">The folder of the classifier.</param>
    public sealed record Predict(string Model) : JobTask
    {
        /// <summary>The columns of the input that are carried into the output; null carries all, which must be the same in all files.</summary>
        public IReadOnlyList<string>? Keep { get; init; }

        /// <summary>Also the K most probable labels with their probabilities; null for the first only.</summary>
        public int? Top { get; init; }

        /// <summary>Also the probability of every label.</summary>
        public bool All { get; init; }
    }

    /// <summary>
    /// Computes what a training will read, so that <see cref="TextClassifier.Train(IReadOnlyList{LabeledText}, TrainingOptions?, RuntimeOptions?,
    /// IProgress{WorkProgress}?, CancellationToken)"/> with the same examples and options and with <paramref name="Store"/> as its
    /// <see cref="RuntimeOptions.CacheFolder"/> computes nothing again. The views are chosen when the job is planned.
    /// </summary>
    /// <param name="Store">The folder of embeddings.</param>
    /// <param name="Examples">The examples, which are in the input.</param>
    /// <param name="Training">How the classifier will be trained.</param>
    public sealed record Train(string Store, IReadOnlyList<LabeledText> Examples, TrainingOptions Training) : JobTask;

    /// <summary>Computes pooled hidden states.</summary>
    /// <param name="Backbone">A checkpoint folder, a .gguf file, or a name as <see cref="TextEncoder.Load(string, EncoderOptions?, RuntimeOptions?,
    /// IProgress{WorkProgress}?, CancellationToken)"/> takes it.</param>
    public sealed record Embed(string Backbone) : JobTask
    {
        /// <summary>What is read of it; a precision that is left open is chosen when the job is planned.</summary>
        public EncoderOptions Encoder { get; init; } = new();
    }
}
