using System.Buffers.Binary;
using System.Security.Cryptography;
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
        foreach (ShardRecord record in records) CheckSize(DataOf(record), record);
        if (plan.Work is not PredictWork predict) WriteEmbeddings(output, Path.GetExtension(output).ToLowerInvariant());
        else if (isFolder) WriteTables(output = Path.TrimEndingDirectorySeparator(output), predict);
        else WriteTable(output, predict);
        long rejected = records.Sum(record => record.Rejected);
        if (rejected > 0) WriteRejected(output + Job.RejectedSuffix);
        return (records.Sum(record => record.Rows), rejected);
    }

    public static void CheckSize(string path, ShardRecord record)
    {
        if (!File.Exists(path)) throw FileProblem.In(path, "the file is missing, though the record of its shard is there.");
        if (new FileInfo(path).Length is var bytes && bytes != record.Bytes)
            throw FileProblem.In(path, $"the file is damaged: it has {bytes:N0} bytes, and its record says {record.Bytes:N0}.");
    }

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
            using AtomicFile file = new(output);
            foreach (ShardRecord record in records) Copy(record, block => file.Write(block));
            file.Commit();
            return;
        }
        using TableWriter writer = TableWriter.Create(output, predict.Columns, numbers: predict.Numbers);
        foreach (ShardRecord record in records)
        {
            CheckHash(record);
            if (record.Rows > 0) CopyRows(DataOf(record), writer);
        }
        writer.Commit();
    }

    private static void CopyRows(string path, TableWriter writer)
    {
        foreach (TableRow row in RowsOf(path)) writer.Write([.. row.Fields]);
    }

    private static IEnumerable<TableRow> RowsOf(string path)
    {
        using TableReader shard = TableReader.Open(path, TableFormat.JsonLines);
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
        using IEnumerator<TableRow> rows = records.SelectMany(CheckedRows).GetEnumerator();
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
        return TableFormat.All.Any(format => format.CanWrite && format.Extensions.Contains(Path.GetExtension(name), StringComparer.OrdinalIgnoreCase))
            ? name
            : name + ".csv";
    }

    private IEnumerable<TableRow> CheckedRows(ShardRecord record)
    {
        CheckHash(record);
        return record.Rows > 0 ? RowsOf(DataOf(record)) : [];
    }

    /// <summary>The numbers of the rows of which a shard has a result.</summary>
    private IEnumerable<long> AcceptedRows(ShardRecord record)
    {
        JobShard range = plan.Shards[record.Shard];
        HashSet<long> bad = record.Rejected == 0 ? [] :
        [
            .. FileProblem.WhenReading(folder.Rejected(record.Shard), File.ReadAllLines)
                .Select(line => JsonSerializer.Deserialize<RejectedRow>(line, JobPlan.Json)!.Row),
        ];
        for (long row = range.Row; row < range.Row + range.Rows; row++)
            if (!bad.Contains(row)) yield return row;
    }

    private void WriteEmbeddings(string output, string extension)
    {
        switch (extension)
        {
            case ".json":
                AtomicFile.WriteText(output, Index(Path.GetDirectoryName(Path.GetFullPath(output))!).ToJsonString(JobPlan.Json) + "\n");
                break;
            case ".safetensors":
                foreach (ShardRecord record in records) CheckHash(record);
                using (SafetensorsFile first = SafetensorsFile.Open(DataOf(records[0])))
                    EmbeddingFiles.Join(
                        output, first.Metadata, first.Tensors[EmbeddingFiles.Depths].Span<long>().ToArray(), [.. records.Select(DataOf)]);
                break;
            case ".npy":
                WriteArrays(output);
                break;
            default:
                throw FileProblem.In(output, "embeddings are merged to .safetensors, .npy, or .json (an index of the shards); name one of these.");
        }
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
            if (tensor == EmbeddingFiles.States) CheckHash(record);
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

    private void CheckHash(ShardRecord record) => Copy(record, _ => { });

    /// <summary>Reads the data of a shard and checks their hash.</summary>
    private void Copy(ShardRecord record, Action<byte[]> take)
    {
        work.CancellationToken.ThrowIfCancellationRequested();
        using IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        FileProblem.WhenReading(DataOf(record), path =>
        {
            byte[] block = new byte[1 << 20];
            using FileStream data = File.OpenRead(path);
            for (int read; (read = data.Read(block)) > 0;)
            {
                hash.AppendData(block, 0, read);
                take(read == block.Length ? block : block[..read]);
            }
            return true;
        });
        string found = Convert.ToHexStringLower(hash.GetHashAndReset());
        if (found != record.Sha256)
            throw FileProblem.In(
                DataOf(record),
                $"the file is damaged: its SHA-256 is {found}, and its record says {record.Sha256}. llmembed job run {folder.Path} --shard " +
                $"{record.Shard} --again computes it again.");
        work.Progress?.Report(new WorkProgress("Merging", record.Shard + 1, records.Count, "shards"));
    }
}
