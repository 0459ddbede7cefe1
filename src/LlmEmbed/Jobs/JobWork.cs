using System.Text.Json.Serialization;
using LlmEmbed.Bundles;
using LlmEmbed.Data;
using LlmEmbed.Files;
using LlmEmbed.Reading;
using LlmEmbed.Recipes;

namespace LlmEmbed.Jobs;

/// <summary>What a job does with each unit, as its plan holds it. A new kind is one record here and one worker.</summary>
[JsonPolymorphic(TypeDiscriminatorPropertyName = "task")]
[JsonDerivedType(typeof(PredictWork), "predict")]
[JsonDerivedType(typeof(EmbedWork), "embed")]
[JsonDerivedType(typeof(TrainWork), "train")]
internal abstract record JobWork
{
    /// <summary>How the names of a shard's and of a unit's data end.</summary>
    [JsonIgnore]
    public abstract string Extension { get; }

    /// <summary>Opens what computes, and refuses it if it is not what the plan was made with.</summary>
    /// <param name="folder">The folder of the job.</param>
    /// <param name="plan">The plan to which the work belongs.</param>
    /// <param name="backbones">Holds the backbones; must outlive the worker.</param>
    /// <param name="work">Told about the opening.</param>
    /// <exception cref="LlmEmbedException">It is not there, or it is another one.</exception>
    public abstract IUnitWorker Open(JobFolder folder, JobPlan plan, OpenBackbones backbones, Work work);

    protected static BackboneReader OpenReader(
        BackboneEntry entry, string fingerprint, JobFolder folder, OpenBackbones backbones, Work work)
    {
        OpenBackbone backbone;
        try
        {
            backbone = entry.Open(folder.Path, backbones, work);
        }
        catch (LlmEmbedException exception)
        {
            throw new LlmEmbedException(exception.Message, exception) { FilePath = exception.FilePath, Kind = ProblemKind.Mismatch };
        }
        BackboneReader reader = new(backbone, entry.PlanOf(backbone), backbones.Runtime, work);
        return Disposal.OnFailure([reader], () => reader.Fingerprint.Sha256 == fingerprint
            ? reader
            : throw Other($"{backbone.Name} is read otherwise than when the job was planned, though its files are the same."));
    }

    protected static LlmEmbedException Other(string what, Exception? cause = null) =>
        new($"{what} Results of both would be mixed: take what the plan was made with, or plan the job again in another folder.", cause)
        {
            Kind = ProblemKind.Mismatch,
        };
}

/// <summary>Classifies texts.</summary>
/// <param name="Model">The folder of the classifier, relative to the folder of the job.</param>
/// <param name="ModelSha256">SHA-256 of the files that decide what it predicts.</param>
/// <param name="Top">How many of the most probable labels are given; null for the first only.</param>
/// <param name="All">Whether the probability of every label is given.</param>
internal sealed record PredictWork(string Model, string ModelSha256, int? Top, bool All) : JobWork
{
    /// <summary>The columns of the result.</summary>
    public required IReadOnlyList<string> Columns { get; init; }

    /// <summary>Those of them that hold numbers.</summary>
    public required IReadOnlyList<string> Numbers { get; init; }

    [JsonIgnore]
    public override string Extension => ".jsonl";

    /// <summary>The hash of a classifier's files.</summary>
    public static string HashOf(string model, Work work) => FileHash.OfAll(
        [.. ClassifierBundle.DecidingFilesIn(model).Where(File.Exists)], work.Progress, work.CancellationToken);

    public override IUnitWorker Open(JobFolder folder, JobPlan plan, OpenBackbones backbones, Work work)
    {
        string model = folder.Resolve(Model);
        if (ClassifierBundle.IsBundle(model) && HashOf(model, work) != ModelSha256)
            throw Other($"{model} is another classifier than when the job was planned.");
        TrainedClassifier classifier = ClassifierBundle.Load(model, backbones, work);
        return Disposal.OnFailure(
            [classifier],
            () => new PredictWorker(classifier, new PredictionColumns(plan.Tables.Keep, classifier.Labels, Top ?? 1, All)));
    }
}

/// <summary>Computes pooled hidden states.</summary>
/// <param name="Backbone">The backbone and what is read of it.</param>
/// <param name="Fingerprint">SHA-256 of all that decides the states' bits.</param>
internal sealed record EmbedWork(BackboneEntry Backbone, string Fingerprint) : JobWork
{
    [JsonIgnore]
    public override string Extension => ".safetensors";

    public override IUnitWorker Open(JobFolder folder, JobPlan plan, OpenBackbones backbones, Work work) =>
        new EmbedWorker(OpenReader(Backbone, Fingerprint, folder, backbones, work));
}

/// <summary>Computes the states that a training will read, and puts them into the folder in which it looks for them.</summary>
/// <param name="Store">The folder, relative to the folder of the job.</param>
/// <param name="Parts">The backbones.</param>
internal sealed record TrainWork(string Store, IReadOnlyList<TrainPart> Parts) : JobWork
{
    [JsonIgnore]
    public override string Extension => ".jsonl";

    public override IUnitWorker Open(JobFolder folder, JobPlan plan, OpenBackbones backbones, Work work)
    {
        List<BackboneReader> readers = [];
        return Disposal.OnFailure(readers, () =>
        {
            foreach (TrainPart part in Parts) readers.Add(OpenReader(part.Backbone, part.Fingerprint, folder, backbones, work));
            return new TrainWorker(folder.Resolve(Store), [.. readers.Zip(Parts, (reader, part) => (reader, part.TokenDepths))]);
        });
    }
}

/// <summary>What a training will read of a backbone.</summary>
/// <param name="Backbone">The backbone and its views.</param>
/// <param name="Fingerprint">SHA-256 of all that decides the states' bits.</param>
/// <param name="TokenDepths">The depths at which the states of tokens are kept too.</param>
internal sealed record TrainPart(BackboneEntry Backbone, string Fingerprint, IReadOnlyList<int> TokenDepths);

/// <summary>Computes units. Thread-safe.</summary>
internal interface IUnitWorker : IDisposable
{
    /// <summary>Does what needs no engine, such as tokenizing.</summary>
    /// <param name="unit">The unit.</param>
    /// <param name="cancellationToken">Stops it.</param>
    /// <returns>The rest of the work.</returns>
    Func<FinishedUnit> Prepare(JobUnit unit, CancellationToken cancellationToken);

    /// <summary>The tokens of a unit, of all backbones together.</summary>
    long TokensOf(JobUnit unit);

    /// <summary>Joins the data of units to that of a shard.</summary>
    /// <param name="target">The file of the shard.</param>
    /// <param name="units">The files of its units, in order.</param>
    void Join(string target, IReadOnlyList<string> units);

    /// <summary>Where in a file of a shard or a unit the bytes lie that come one after the other in a shard.</summary>
    (long Offset, long Length) ContentOf(string path);
}

/// <summary>A unit that was computed.</summary>
/// <param name="Write">Writes its data to a path, and returns the bytes that were written.</param>
/// <param name="Rejected">Its bad rows: their places among the unit's rows, and the reasons.</param>
/// <param name="Empty">Rows whose text is empty to the model.</param>
/// <param name="Truncated">Rows whose text lost its end.</param>
internal sealed record FinishedUnit(Func<string, long> Write, IReadOnlyList<(int Row, string Reason)> Rejected, int Empty, int Truncated);
