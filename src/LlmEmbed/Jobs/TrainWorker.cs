using System.Text.Json.Nodes;
using LlmEmbed.Files;
using LlmEmbed.Reading;

namespace LlmEmbed.Jobs;

/// <summary>
/// Computes states and adds them to the store of a training, in which every process has files of its own. What a shard has as data says only how many
/// texts each unit added.
/// </summary>
internal sealed class TrainWorker(string store, IReadOnlyList<(BackboneReader Reader, IReadOnlyList<int> TokenDepths)> parts) : IUnitWorker
{
    public Func<FinishedUnit> Prepare(JobUnit unit, CancellationToken cancellationToken)
    {
        string[] texts = [.. unit.Readable.Select(row => row.Text).Distinct(StringComparer.Ordinal)];
        PreparedTexts[] prepared = [.. parts.Select(part => part.Reader.Prepare(texts, cancellationToken))];
        return () =>
        {
            Func<long>[] writes =
                [.. parts.Zip(prepared, (part, own) => Read(part.Reader, part.TokenDepths, texts, own, unit.Number, cancellationToken))];
            return new FinishedUnit(path => Write(path, unit.Number, texts.Length, writes), unit.Unreadable, 0, 0);
        };
    }

    public long TokensOf(JobUnit unit) => parts.Sum(part => part.Reader.Prepare([.. unit.Rows.Select(row => row.Text)], CancellationToken.None).Tokens
        .Sum(tokens => (long)tokens.Ids.Length));

    public void Join(string target, IReadOnlyList<string> units) => PredictWorker.JoinFiles(target, units);

    public (long Offset, long Length) ContentOf(string path) => (0, new FileInfo(path).Length);

    public void Dispose() => Disposal.All(parts.Select(part => part.Reader));

    private static long Write(string path, long unit, int texts, Func<long>[] writes)
    {
        long bytes = writes.Sum(write => write());
        AtomicFile.WriteText(path, new JsonObject { ["unit"] = unit, ["texts"] = texts }.ToJsonString() + "\n");
        return bytes;
    }

    /// <summary>Reads texts that are all different.</summary>
    /// <returns>Adds what was read to the store, tokens first: what has its views has its tokens too, wherever the work ends.</returns>
    private Func<long> Read(
        BackboneReader reader, IReadOnlyList<int> depths, string[] texts, PreparedTexts prepared, long unit, CancellationToken cancellationToken)
    {
        int[] counts = reader.AttendedCounts(texts);
        // [depths][n][tokens,H]
        float[][][] tokens = [.. depths.Select(_ => Array.ConvertAll(counts, count => new float[count * reader.HiddenSize]))];
        float[] states = new float[checked(texts.Length * reader.RowLength)]; // [n,D,H]
        int[] places = [.. depths];
        TokenRows rows = new(depths, (text, depth) => tokens[Array.IndexOf(places, depth)][text]);
        reader.Read(prepared, text => states.AsSpan(text * reader.RowLength, reader.RowLength), new Work(Progress: null, cancellationToken), rows);
        return () =>
        {
            int[] there = [.. Enumerable.Range(0, texts.Length).Where(text => prepared.Tokens[text].Ids.Length > 0)];
            long bytes = 0;
            foreach ((int place, int depth) in depths.Index())
            {
                TextKey[] keys = [.. there.SelectMany(text => Enumerable.Range(0, counts[text]).Select(prepared.Keys[text].Token))];
                float[] values = StoredReader.Gather(there, text => tokens[place][text]);
                bytes += EmbeddingStore.Add(store, reader.TokenFingerprint(depth), unit, keys, values, (1, reader.HiddenSize));
            }
            float[] views = StoredReader.Gather(there, text => states.AsSpan(text * reader.RowLength, reader.RowLength));
            TextKey[] own = [.. there.Select(text => prepared.Keys[text])];
            return bytes + EmbeddingStore.Add(store, reader.Fingerprint, unit, own, views, reader.Row.Shape);
        };
    }
}
