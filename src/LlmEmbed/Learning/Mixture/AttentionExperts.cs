using LlmEmbed.Reading;

namespace LlmEmbed.Learning;

/// <summary>
/// Attention pooling, learned at several depths of each backbone (see <see cref="AttentionModel"/>). With few texts choosing one depth costs more
/// than it brings, so the depths are members of the mixture of their own.
/// </summary>
internal static class AttentionExperts
{
    public const string Kind = "attention";

    public static IReadOnlyList<Expert> Train(MixtureTask task, CancellationToken cancellationToken)
    {
        (TokenStates Tokens, int Depth)[] places = PlacesOf(task.Data);
        double[][] weights = [.. Enumerable.Range(0, task.Validation.FoldCount).Select(fold => task.WeightsWithout(fold)), task.WeightsWithout(null)];
        AttentionModel[][] models = Fit(task.Data, task.Plan, places, weights, progress: null, cancellationToken);
        return [.. places.Zip(models, (place, own) => ExpertOf(task, place.Tokens, place.Depth, own, 1.0 / places.Length))];
    }

    /// <summary>What attention at each depth gives texts that it was not learned from.</summary>
    /// <param name="data">All texts, with their tokens.</param>
    /// <param name="folds">[N], the fold in which each text is held out.</param>
    /// <param name="plan">Seed and threads.</param>
    /// <param name="progress">Told about each depth.</param>
    /// <param name="cancellationToken">Stops the work.</param>
    /// <returns>For each depth logits [N,C].</returns>
    public static IReadOnlyList<(ViewKey View, double[] Logits)> HeldOut(
        HeadTrainingData data, int[] folds, LearningPlan plan, IProgress<WorkProgress>? progress, CancellationToken cancellationToken)
    {
        (TokenStates Tokens, int Depth)[] places = PlacesOf(data);
        double[][] weights = [.. folds.Distinct().Order().Select(held => folds.Select(fold => fold == held ? 0.0 : 1).ToArray())];
        AttentionModel[][] models = Fit(data, plan, places, weights, progress, cancellationToken);
        return [.. places.Zip(models, (place, own) =>
        {
            Action<int, int, Span<double>> logitsOf = LogitsOf(place.Tokens, place.Depth, own);
            double[] logits = new double[data.Rows * data.ClassCount];
            for (int row = 0; row < data.Rows; row++) logitsOf(folds[row], row, logits.AsSpan(row * data.ClassCount, data.ClassCount));
            return (new ViewKey(place.Tokens.Backbone, new View(place.Depth, Pooling.Attention)), logits);
        })];
    }

    /// <summary>The depths of each backbone that has a token to read.</summary>
    private static (TokenStates Tokens, int Depth)[] PlacesOf(HeadTrainingData data) =>
    [
        .. data.Tokens.Where(tokens => Enumerable.Range(0, tokens.Rows).Any(row => tokens.Of(row, tokens.Depths[0]).Length > 0))
            .SelectMany(tokens => tokens.Depths.Select(depth => (tokens, depth))),
    ];

    /// <summary>
    /// For each place a model for each vector of weights of the texts. With fewer places than threads the models of a place are divided.
    /// </summary>
    private static AttentionModel[][] Fit(
        HeadTrainingData data,
        LearningPlan plan,
        (TokenStates Tokens, int Depth)[] places,
        double[][] weights,
        IProgress<WorkProgress>? progress,
        CancellationToken cancellationToken)
    {
        if (places.Length == 0) return [];
        int parts = Math.Min(weights.Length, (plan.Threads + places.Length - 1) / places.Length), done = 0;
        Standardization[] standardizations = new Standardization[places.Length];
        AttentionModel[][] fitted = new AttentionModel[places.Length * parts][];
        ParallelOptions parallel = new() { MaxDegreeOfParallelism = plan.Threads, CancellationToken = cancellationToken };
        Parallel.For(0, places.Length, parallel, i => standardizations[i] = AttentionModel.StandardizationOf(places[i].Tokens, places[i].Depth));
        AttentionSchedule schedule = AttentionSchedule.For(data.Rows, plan.Seed);
        string stage = $"Learning to pool {string.Join(" and ", places.Select(place => place.Tokens.Backbone).Distinct(StringComparer.Ordinal))}";
        Lock reporting = new();
        Report(0);
        Parallel.For(0, fitted.Length, parallel, job =>
        {
            (int place, int part) = Math.DivRem(job, parts);
            double[][] own = weights[(part * weights.Length / parts)..((part + 1) * weights.Length / parts)];
            fitted[job] = AttentionTrainer.Fit(
                places[place].Tokens, places[place].Depth, standardizations[place], data.Labels, data.ClassCount, own, schedule, cancellationToken);
            Report(1);
        });
        return [.. fitted.Chunk(parts).Select(group => group.SelectMany(models => models).ToArray())];

        void Report(int more)
        {
            lock (reporting) progress?.Report(new WorkProgress(stage, (done += more) / parts, places.Length, "depths"));
        }
    }

    private static Expert ExpertOf(MixtureTask task, TokenStates tokens, int depth, AttentionModel[] models, double share)
    {
        FeatureLayout layout = new([new FeatureView(tokens.Backbone, depth, Pooling.Attention, Offset: 0, tokens.HiddenSize)]);
        ExpertFacts facts = new(Kind) { Backbone = tokens.Backbone, Depth = depth };
        return new Expert(facts, share, task.HeldOutLogits(LogitsOf(tokens, depth, models)))
        {
            Linear = () => new LinearPart(models[^1].Regression(), layout, new AttentionQuery(depth, models[^1].RawQuery())),
        };
    }

    /// <summary>Writes what the model of a fold gives a text.</summary>
    private static Action<int, int, Span<double>> LogitsOf(TokenStates tokens, int depth, AttentionModel[] models)
    {
        float[][] queries = [.. models.Select(model => model.RawQuery())];
        LinearHead[] heads = [.. models.Select(model => model.Regression())];
        float[] pooled = new float[tokens.HiddenSize], own = new float[heads[0].ClassCount];
        return (fold, row, target) =>
        {
            AttentionModel.Pool(tokens.Of(row, depth), queries[fold], pooled);
            heads[fold].Logits(pooled, 1, own);
            for (int k = 0; k < target.Length; k++) target[k] = own[k];
        };
    }
}
