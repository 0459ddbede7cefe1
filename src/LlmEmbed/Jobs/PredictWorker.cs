using LlmEmbed.Data;
using LlmEmbed.Files;
using LlmEmbed.Reading;
using LlmEmbed.Recipes;

namespace LlmEmbed.Jobs;

/// <summary>Classifies the texts of units. Their data are JSON Lines, which need only be put one after the other.</summary>
internal sealed class PredictWorker(TrainedClassifier classifier, PredictionColumns columns) : IUnitWorker
{
    private const int BlockBytes = 1 << 20;

    public Func<FinishedUnit> Prepare(JobUnit unit, CancellationToken cancellationToken)
    {
        JobRow[] rows = unit.Readable;
        PreparedRequest request = classifier.Reader.Prepare([.. rows.Select(row => row.Text)], cancellationToken);
        return () =>
        {
            IReadOnlyList<Prediction> predictions = rows.Length == 0 ? [] : classifier.Predict(request, new Work(Progress: null, cancellationToken));
            return new FinishedUnit(
                path => Write(path, rows, predictions),
                unit.Unreadable,
                predictions.Count(prediction => prediction.IsEmpty),
                predictions.Count(prediction => prediction.IsTruncated));
        };
    }

    public long TokensOf(JobUnit unit) => classifier.Reader.Prepare([.. unit.Rows.Select(row => row.Text)], CancellationToken.None).Parts
        .Sum(part => part.Tokens.Sum(tokens => (long)tokens.Ids.Length));

    public void Join(string target, IReadOnlyList<string> units) => JoinFiles(target, units);

    /// <summary>Puts the bytes of files one after the other.</summary>
    public static void JoinFiles(string target, IReadOnlyList<string> units)
    {
        using AtomicFile file = new(target);
        foreach (string unit in units)
        {
            using FileStream stream = File.OpenRead(unit);
            stream.CopyTo(file.Content, BlockBytes);
        }
        file.Commit();
    }

    public (long Offset, long Length) ContentOf(string path) => (0, new FileInfo(path).Length);

    public void Dispose() => classifier.Dispose();

    private long Write(string path, JobRow[] rows, IReadOnlyList<Prediction> predictions)
    {
        using TableWriter writer = TableWriter.Create(path, columns.Names, TableFormat.JsonLines);
        foreach ((JobRow row, Prediction prediction) in rows.Zip(predictions)) writer.Write([.. row.Kept, .. columns.Values(prediction)]);
        writer.Commit();
        return new FileInfo(path).Length;
    }
}
