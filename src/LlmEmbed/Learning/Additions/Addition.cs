namespace LlmEmbed.Learning;

/// <summary>
/// Something that may be added to a trained head: one row of the table of additions. Each is tried on texts that neither it nor the head was fitted
/// to, and is left out if these are not the better for it.
/// </summary>
internal abstract class Addition
{
    /// <summary>Every addition, in the order in which they are tried. To add one: a file that holds it, and a row here.</summary>
    public static IReadOnlyList<Addition> All { get; } = [new ClassNames(), new LearnedPooling(), new Words()];

    /// <summary>The name that the record of decisions has for it.</summary>
    public abstract string Name { get; }

    /// <summary>What a user is told while it is tried; null if that takes no time worth telling.</summary>
    protected virtual string? Stage => null;

    /// <summary>Whether it can be tried: the head suits it, and what it needs is there and asked for.</summary>
    public abstract bool AppliesTo(TrainedHead head, HeadTrainingData data, LearningPlan plan);

    /// <summary>Finds out what it brings to a head.</summary>
    /// <param name="head">The head, with the additions before this one.</param>
    /// <param name="validation">Out-of-fold logits of that head.</param>
    /// <param name="data">What the head was trained on.</param>
    /// <param name="plan">How the head was trained.</param>
    /// <param name="cancellationToken">Stops the work.</param>
    /// <returns>Null if it brings nothing.</returns>
    public abstract Contribution? FindOut(
        TrainedHead head, CrossValidation validation, HeadTrainingData data, LearningPlan plan, CancellationToken cancellationToken);

    /// <summary>Restores what it left beside a head; null if it left nothing there.</summary>
    public virtual IAddedPart? Load(SavedHead saved) => null;

    /// <summary>Tries every addition in order on a head that was cross-validated, and puts those that bring something into it.</summary>
    public static TrainedHead AddAll(
        TrainedHead head, HeadTrainingData data, LearningPlan plan, IProgress<WorkProgress>? progress, CancellationToken cancellationToken)
    {
        foreach (Addition addition in All)
        {
            if (head.CrossValidation is not { } validation || !addition.AppliesTo(head, data, plan)) continue;
            addition.Report(progress, 0, data.Rows);
            Contribution? found = addition.FindOut(head, validation, data, plan, cancellationToken);
            AdditionDecision[] decided = [.. head.Decisions.Additions, new AdditionDecision(addition.Name, found?.Gain)];
            if (found is not null)
                head = found.PutIn(head) with { Temperature = found.Together.Chosen.Temperature, CrossValidation = found.Together };
            head = head with { Decisions = head.Decisions with { Additions = decided } };
            addition.Report(progress, data.Rows, data.Rows);
        }
        return head;
    }

    private void Report(IProgress<WorkProgress>? progress, int done, int total)
    {
        if (Stage is { } stage) progress?.Report(new WorkProgress(stage, done, total, "texts"));
    }

    /// <summary>Restores everything that was left beside a head.</summary>
    public static IReadOnlyList<IAddedPart> LoadAll(SavedHead saved) => [.. All.Select(addition => addition.Load(saved)).OfType<IAddedPart>()];

    /// <summary>
    /// How an addition weighs rare classes: as the logistic regression that it is added to. What is added to another head counts every text the same.
    /// </summary>
    protected static ClassWeighting WeightingFor(TrainedHead head) =>
        head.Decisions.Head is RegressionDecision { ClassWeighting: var weighting } ? weighting : ClassWeighting.None;
}

/// <summary>What an addition brings, and how it is put into a head.</summary>
/// <param name="Gain">For the record of decisions.</param>
/// <param name="Together">Out-of-fold logits of head and addition together.</param>
/// <param name="PutIn">Fits the addition to all texts and puts it into the head.</param>
internal sealed record Contribution(AdditionGain Gain, CrossValidation Together, Func<TrainedHead, TrainedHead> PutIn);

/// <summary>What an addition leaves beside a head, and what acts there when texts are classified.</summary>
internal interface IAddedPart
{
    /// <summary>Everything of it that was trained.</summary>
    IReadOnlyList<HeadTensor> Tensors { get; }

    /// <summary>Adds what it says of N texts to the logits [N,C] of the head; nothing if it acts on the features that the head reads.</summary>
    void AddLogits(IReadOnlyList<string> texts, Span<float> logits)
    {
    }
}
