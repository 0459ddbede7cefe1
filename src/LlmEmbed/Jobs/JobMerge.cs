using System.Buffers.Binary;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using LlmEmbed.Data;
using LlmEmbed.Files;
using LlmEmbed.Reading;

namespace LlmEmbed.Jobs;

/// <summary>Puts the results of complete shards together, in the order of the input's rows.</summary>
internal sealed class JobMerge(JobFolder folder, JobPlan plan, IReadOnlyList<ShardRecord> records, Work work)
{
    private static readonly string[] EmbeddingExtensions = [".safetensors", ".npy", ".json"];

    private readonly string _extension = plan.Work.Extension;

    /// <exception cref="LlmEmbedException">A shard is damaged, or the file cannot be written.</exception>
    public (long Rows, long Rejected) Write(string output)
    {
        if (plan.Work is TrainWork train)
            throw FileProblem.In(
                folder.Path,
                $"the embeddings of this job are in {folder.Resolve(train.Store)} already, where llmembed train --cache reads them; nothing is " +
                "merged.");
        bool isFolder = Directory.Exists(output);
        if (isFolder && plan.Work is EmbedWork) output = Path.Combine(output, "index.json");
        foreach (string written in FilesOf(output)) RefuseOwn(written);
        // What cannot be written is refused before the shards are read.
        if (!isFolder || plan.Work is EmbedWork) RequireFormat(output);
        // An index copies nothing, so that whoever reads the shards checks them.
        bool isIndex = plan.Work is EmbedWork && HasExtension(output, ".json");
        foreach (ShardRecord record in records) Check(record, isIndex);
        if (plan.Work is not PredictWork predict) WriteEmbeddings(output, isIndex);
        else if (isFolder) WriteTables(output = Path.TrimEndingDirectorySeparator(output), predict);
        else WriteTable(output, predict);
        long rejected = records.Sum(record => record.Rejected);
        if (rejected > 0) WriteRejected(output + Job.RejectedSuffix);
        return (records.Sum(record => record.Rows), rejected);
    }

    private void Check(ShardRecord record, bool isIndex)
    {
        work.CancellationToken.ThrowIfCancellationRequested();
        record.CheckData(DataOf(record), folder, withHash: !isIndex);
        work.Progress?.Report(new WorkProgress("Merging", record.Shard + 1, records.Count, "shards"));
    }

    private void RequireFormat(string output)
    {
        if (plan.Work is PredictWork) TableFormat.FromPath(output);
        else if (!Array.Exists(EmbeddingExtensions, extension => HasExtension(output, extension)))
            throw FileProblem.In(output, "embeddings are merged to .safetensors, .npy, or .json (an index of the shards); name one of these.");
        AtomicFile.RequireWritable(output);
    }

    private static bool HasExtension(string path, string extension) => path.EndsWith(extension, StringComparison.OrdinalIgnoreCase);

    private static IEnumerable<string> FilesOf(string output) => [output, output + Job.RejectedSuffix, RowsBeside(output)];

    /// <summary>Refuses to overwrite a file that the job needs.</summary>
    private void RefuseOwn(string output)
    {
        FileIdentity? file = FileIdentity.OfPath(output);
        if (file is null) return;
        bool isInput = plan.Inputs.Any(input => FileIdentity.OfPath(folder.Resolve(input.Path)) == file);
        FileIdentity? around = FileIdentity.OfPath(Path.GetDirectoryName(Path.GetFullPath(output))!);
        bool isOfJob = FileIdentity.OfPath(folder.Plan) == file || around == FileIdentity.OfPath(folder.Shards);
        if (isInput || isOfJob)
            throw FileProblem.In(
                output, $"this is {(isInput ? "an input" : "a file")} of the job; name another file, so that it is not overwritten.");
    }

    private static string RowsBeside(string output) => Path.ChangeExtension(output, ".rows.npy");

    private string DataOf(ShardRecord record) => folder.Data(record.Shard, _extension);

    private void WriteTable(string output, PredictWork predict)
    {
        if (TableFormat.FromPath(output) == TableFormat.JsonLines)
        {
            PredictWorker.JoinFiles(output, [.. records.Select(DataOf)]);
            return;
        }
        using TableWriter writer = TableWriter.Create(output, predict.Columns, numbers: predict.Numbers);
        foreach (TableRow row in records.SelectMany(RowsOf)) writer.Write([.. row.Fields]);
        writer.Commit();
    }

    private IEnumerable<TableRow> RowsOf(ShardRecord record)
    {
        if (record.Rows == 0) yield break;
        using TableReader shard = TableReader.Open(DataOf(record), TableFormat.JsonLines);
        foreach (TableRow row in shard.Rows()) yield return row;
    }

    /// <summary>A table for each file of the input, under its name and in its format where that can be written, else as csv.</summary>
    private void WriteTables(string folder, PredictWork predict)
    {
        string[] paths = [.. plan.Inputs.Select(input => Path.Combine(folder, NameFor(input.Path)))];
        if (paths.GroupBy(path => path, StringComparer.OrdinalIgnoreCase).FirstOrDefault(same => same.Count() > 1) is { } same)
            throw FileProblem.In(
                same.Key, "several files of the input have this name, so that their tables would take each other's place. Merge into one file.");
        foreach (string path in paths) RefuseOwn(path);
        using IEnumerator<TableRow> rows = records.SelectMany(RowsOf).GetEnumerator();
        using IEnumerator<long> numbers = records.SelectMany(AcceptedRows).GetEnumerator();
        bool isThere = numbers.MoveNext();
        long end = 0;
        foreach ((int index, JobInput input) in plan.Inputs.Index())
        {
            end += input.Rows;
            using TableWriter writer = TableWriter.Create(paths[index], predict.Columns, numbers: predict.Numbers);
            for (; isThere && numbers.Current < end; isThere = numbers.MoveNext())
            {
                rows.MoveNext();
                writer.Write([.. rows.Current.Fields]);
            }
            writer.Commit();
        }
    }

    private static string NameFor(string input)
    {
        string name = Compression.WithoutExtension(Path.GetFileName(input));
        return TableFormat.TryFromPath(name) is { CanWrite: true } ? name : name + ".csv";
    }

    /// <summary>The numbers of the rows of which a shard has a result.</summary>
    private IEnumerable<long> AcceptedRows(ShardRecord record)
    {
        JobShard range = plan.Shards[record.Shard];
        HashSet<long> bad = record.Rejected == 0 ? [] :
        [
            .. FileProblem.WhenReading(folder.Rejected(record.Shard), File.ReadAllLines)
                .Select(line => JsonSerializer.Deserialize(line, JobPlan.Json.Of<RejectedRow>())!.Row),
        ];
        for (long row = range.Row; row < range.Row + range.Rows; row++)
            if (!bad.Contains(row)) yield return row;
    }

    private void WriteEmbeddings(string output, bool isIndex)
    {
        if (isIndex) AtomicFile.WriteText(output, Index(Path.GetDirectoryName(Path.GetFullPath(output))!).ToJsonString(JobPlan.Json) + "\n");
        else if (HasExtension(output, ".safetensors")) WriteTensors(output);
        else WriteArrays(output);
    }

    private void WriteTensors(string output)
    {
        using SafetensorsFile first = SafetensorsFile.Open(DataOf(records[0]));
        long[] depths = first.Tensors[EmbeddingFiles.Depths].Span<long>().ToArray();
        EmbeddingFiles.Join(output, first.Metadata, depths, [.. records.Select(DataOf)]);
    }

    /// <summary>An index of the shards, without a copy of them: which file holds which rows.</summary>
    private JsonObject Index(string from)
    {
        (long views, long size) = EmbeddingFiles.ShapeOf(DataOf(records[0]));
        JsonObject Shard(ShardRecord record) => new()
        {
            ["file"] = Path.GetRelativePath(from, Path.GetFullPath(DataOf(record))).Replace('\\', '/'),
            ["rows"] = record.Rows,
            ["first_row"] = plan.Shards[record.Shard].Row,
            ["sha256"] = record.Sha256,
        };
        return new JsonObject
        {
            ["format"] = "llmembed-embeddings-index",
            ["tensors"] = new JsonObject { ["embeddings"] = "F32 [rows,D,H]", ["row"] = "I64 [rows]", ["depths"] = "I64 [D]" },
            ["shape"] = new JsonArray(records.Sum(record => record.Rows), views, size),
            ["shards"] = new JsonArray([.. records.Select(Shard)]),
        };
    }

    /// <summary>A NumPy array of the states [N,D,H], and one of the rows' numbers [N] beside it.</summary>
    private void WriteArrays(string output)
    {
        (long views, long size) = EmbeddingFiles.ShapeOf(DataOf(records[0]));
        long rows = records.Sum(record => record.Rows);
        WriteArray(output, "<f4", $"({rows}, {views}, {size})", EmbeddingFiles.States);
        WriteArray(RowsBeside(output), "<i8", $"({rows},)", EmbeddingFiles.Rows);
    }

    /// <summary>The format of NumPy, version 1.0: a magic word, the length of a description, the description, the values.</summary>
    private void WriteArray(string path, string type, string shape, string tensor)
    {
        const int Alignment = 64, LengthOfPrefix = 10;
        string description = $"{{'descr': '{type}', 'fortran_order': False, 'shape': {shape}, }}";
        int length = (LengthOfPrefix + description.Length + 1 + Alignment - 1) / Alignment * Alignment - LengthOfPrefix;
        byte[] head = [0x93, .. "NUMPY"u8, 1, 0, 0, 0];
        using AtomicFile file = new(path);
        BinaryPrimitives.WriteUInt16LittleEndian(head.AsSpan(8), (ushort)length);
        file.Write(head);
        file.Write(Encoding.ASCII.GetBytes(description.PadRight(length - 1) + "\n"));
        foreach (ShardRecord record in records)
        {
            using SafetensorsFile shard = SafetensorsFile.Open(DataOf(record));
            foreach (ReadOnlySpan<byte> block in new EmbeddingFiles.Blocks(shard.Tensors[tensor])) file.Write(block);
        }
        file.Commit();
    }

    private void WriteRejected(string path)
    {
        using AtomicFile file = new(path);
        foreach (ShardRecord record in records.Where(record => record.Rejected > 0))
            file.Write(FileProblem.WhenReading(folder.Rejected(record.Shard), File.ReadAllBytes));
        file.Commit();
    }
}
