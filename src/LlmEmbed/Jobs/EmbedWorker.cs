using LlmEmbed.Files;
using LlmEmbed.Reading;

namespace LlmEmbed.Jobs;

/// <summary>Computes the states of units. Their data are safetensors files with the number of each row beside its states.</summary>
internal sealed class EmbedWorker(BackboneReader reader) : IUnitWorker
{
    public Func<FinishedUnit> Prepare(JobUnit unit, CancellationToken cancellationToken)
    {
        PreparedTexts texts = reader.Prepare([.. unit.Rows.Select(row => row.Text)], cancellationToken);
        string? ReasonFor(int row) => unit.Rows[row].Problem
            ?? (texts.Tokens[row].Ids.Length == 0 ? "the text gives no token, so it has no embedding." : null);
        (int Row, string? Reason)[] reasons = [.. Enumerable.Range(0, unit.Rows.Count).Select(row => (row, ReasonFor(row)))];
        int[] rows = [.. reasons.Where(row => row.Reason is null).Select(row => row.Row)];
        PreparedTexts wanted = new(At(texts.Tokens, rows), At(texts.Keys, rows), At(texts.AreEmpty, rows));
        return () =>
        {
            float[] states = new float[checked(rows.Length * reader.RowLength)]; // [n,D,H]
            EncodingStatistics statistics = reader.Read(
                wanted, row => states.AsSpan(row * reader.RowLength, reader.RowLength), new Work(Progress: null, cancellationToken));
            return new FinishedUnit(
                path => Write(path, [.. rows.Select(row => unit.FirstRow + row)], states),
                [.. reasons.Where(row => row.Reason is not null).Select(row => (row.Row, row.Reason!))],
                statistics.TextsOfSpecialTokens.Count,
                statistics.TruncatedTexts);
        };
    }

    public long TokensOf(JobUnit unit) => reader.Prepare([.. unit.Rows.Select(row => row.Text)], CancellationToken.None).Tokens
        .Sum(tokens => (long)tokens.Ids.Length);

    public void Join(string target, IReadOnlyList<string> units)
    {
        IReadOnlyList<View> views = reader.Plan.Views;
        EmbeddingFiles.Join(target, EmbeddingFile.MetadataOf(reader.Name, views), [.. views.Select(view => (long)view.Depth)], units);
    }

    public (long Offset, long Length) ContentOf(string path)
    {
        using SafetensorsFile file = SafetensorsFile.Open(path);
        SafetensorsTensor states = file.Require(EmbeddingFiles.States, [-1, -1, -1], "F32");
        return (states.Offset, states.ByteLength);
    }

    public void Dispose() => reader.Dispose();

    private static T[] At<T>(T[] values, int[] rows) => Array.ConvertAll(rows, row => values[row]);

    private long Write(string path, long[] rows, float[] states)
    {
        using SafetensorsWriter writer = EmbeddingFiles.Create(path, [], reader.Plan.Views.Count, reader.Row.CommonSize!.Value, withDepths: false);
        writer.Append<long>(EmbeddingFiles.Rows, rows);
        writer.Append<float>(EmbeddingFiles.States, states);
        writer.Commit();
        return new FileInfo(path).Length;
    }
}
