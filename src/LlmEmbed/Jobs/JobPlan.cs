using System.Security.Cryptography;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
using LlmEmbed.Data;
using LlmEmbed.Engine;
using LlmEmbed.Files;

namespace LlmEmbed.Jobs;

/// <summary>
/// plan.json: everything on which the bytes of the results depend, and where each shard begins. The whole input is cut into units once, batches are
/// formed within a unit only, and a shard is a range of whole units, so that any number of shards gives the same bytes.
/// </summary>
internal sealed record JobPlan
{
    private const string FormatName = "llmembed-job";
    private const int Version = 1;

    public static readonly JsonSerializerOptions Json = new()
    {
        TypeInfoResolver = JobJson.Default,
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        WriteIndented = true,
        NewLine = "\n",
        RespectNullableAnnotations = true,
        RespectRequiredConstructorParameters = true,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        Converters =
        {
            new JsonStringEnumConverter<Quotes>(JsonNamingPolicy.SnakeCaseLower),
            new JsonStringEnumConverter<ProblemKind>(JsonNamingPolicy.SnakeCaseLower),
        },
    };

    public string Format { get; init; } = FormatName;

    public int FormatVersion { get; init; } = Version;

    /// <summary>On what machines and with what software the bytes are made.</summary>
    public required JobBits Bits { get; init; }

    public required JobWork Work { get; init; }

    public required JobTables Tables { get; init; }

    public required IReadOnlyList<JobInput> Inputs { get; init; }

    public required UnitSize UnitSize { get; init; }

    public required IReadOnlyList<JobShard> Shards { get; init; }

    /// <summary>What the job is expected to take; it does not belong to what makes two plans equal.</summary>
    public JobEstimate? Estimate { get; init; }

    [JsonIgnore]
    public long Rows => Shards.Sum(shard => shard.Rows);

    /// <summary>SHA-256 of the plan without its estimate, which stands in every record.</summary>
    [JsonIgnore]
    public string Id => Convert.ToHexStringLower(
        SHA256.HashData(JsonSerializer.SerializeToUtf8Bytes(this with { Estimate = null }, Json.Of<JobPlan>())));

    public string ToJson() => JsonSerializer.Serialize(this, Json.Of<JobPlan>()) + "\n";

    /// <exception cref="LlmEmbedException">The file is not there, damaged, or of a newer version.</exception>
    public static JobPlan Read(string path)
    {
        if (!File.Exists(path))
            throw FileProblem.In(Path.GetDirectoryName(path)!, "there is no plan.json in it, expected a folder that 'llmembed job plan' made.");
        return JobFile.Read<JobPlan>(path, "Restore it, or plan the job in another folder.", json =>
        {
            if ((string?)json["format"] != FormatName) throw new JsonException($"'format' is not \"{FormatName}\"");
            int version = (int?)json["format_version"] ?? throw new JsonException("'format_version' is missing");
            if (version > Version)
                throw FileProblem.In(
                    path, $"the plan has format version {version}, and this llmembed reads up to {Version}. Update llmembed on this machine.");
        });
    }

    /// <summary>The first thing in which another plan differs, with both values, as a message says it; null if they are the same.</summary>
    public string? DifferenceFrom(JobPlan other)
    {
        JsonNode mine = JsonSerializer.SerializeToNode(this with { Estimate = null }, Json.Of<JobPlan>())!;
        JsonNode theirs = JsonSerializer.SerializeToNode(other with { Estimate = null }, Json.Of<JobPlan>())!;
        return Difference("", mine, theirs);
    }

    private static string? Difference(string place, JsonNode? mine, JsonNode? theirs)
    {
        if (JsonNode.DeepEquals(mine, theirs)) return null;
        if (mine is JsonObject one && theirs is JsonObject other)
        {
            IEnumerable<string> keys = one.Select(pair => pair.Key).Union(other.Select(pair => pair.Key), StringComparer.Ordinal);
            return First(keys.Select(key => Difference(place.Length == 0 ? key : $"{place}.{key}", one[key], other[key])));
        }
        if (mine is JsonArray first && theirs is JsonArray second)
        {
            if (first.Count != second.Count) return $"{place} has {first.Count} entries instead of {second.Count}";
            return First(first.Zip(second, (a, b) => (a, b)).Select((pair, index) => Difference($"{place}[{index}]", pair.a, pair.b)));
        }
        return $"{place} is {Show(mine)} instead of {Show(theirs)}";

        static string? First(IEnumerable<string?> differences) => differences.FirstOrDefault(difference => difference is not null);
    }

    private static string Show(JsonNode? value) => value?.ToJsonString(Json) ?? "nothing";
}

/// <summary>On what the last bits depend beside model and texts.</summary>
/// <param name="Version">The version of this library.</param>
/// <param name="Engine">The version of ONNX Runtime.</param>
/// <param name="Processor">The instruction sets by which code is chosen.</param>
/// <param name="MemoryBytes">The memory to get along with, which decides how many texts go through a large backbone together.</param>
internal sealed record JobBits(string Version, string Engine, string Processor, long? MemoryBytes)
{
    public static JobBits OfThisMachine(long? memoryBytes) => new(JobFile.LibraryVersion, EngineApi.Version, ProcessorKind.Describe(), memoryBytes);

    /// <summary>What differs on this machine from that of a plan, as a message says it; null if nothing does.</summary>
    public string? DifferenceHere()
    {
        JobBits here = OfThisMachine(MemoryBytes);
        return here.Version != Version ? $"this is llmembed {here.Version}, and the plan was made by {Version}"
            : here.Engine != Engine ? $"this is ONNX Runtime {here.Engine}, and the plan was made with {Engine}"
            : here.Processor != Processor ? $"this processor is '{here.Processor}', and the plan was made on '{Processor}'"
            : null;
    }
}

/// <summary>A file of the input.</summary>
/// <param name="Path">Relative to the folder of the job, so that both can be moved together.</param>
/// <param name="Bytes">Its size.</param>
/// <param name="Modified">When it was changed last (UTC). Another time alone is no difference; the content decides then.</param>
/// <param name="Rows">Its rows.</param>
internal sealed record JobInput(string Path, long Bytes, DateTime Modified, long Rows);

/// <summary>After how much a unit ends: with the row with which it reaches one of both.</summary>
internal sealed record UnitSize(int Characters, int Rows)
{
    /// <summary>
    /// About 30 thousand tokens, which fill batches of equal lengths and are the most that a killed shard loses: half a minute of work for a small
    /// decoder on two cores.
    /// </summary>
    public static UnitSize Usual { get; } = new(120_000, 4096);
}

/// <summary>A range of whole units, which one process computes.</summary>
/// <param name="Unit">Its first unit; units are counted from 0 over the whole input.</param>
/// <param name="Units">Its units.</param>
/// <param name="Row">Its first row; rows are counted from 0 over the whole input.</param>
/// <param name="Rows">Its rows, bad ones included.</param>
/// <param name="File">The input in which it begins, by its index.</param>
/// <param name="FileRow">The rows of that file before it.</param>
/// <param name="Line">The line on which it begins.</param>
/// <param name="Offset">The byte of the unpacked file at which it begins; -1 if the format has none.</param>
/// <param name="Characters">The characters of its texts.</param>
/// <param name="Xxh128">A hash of all that its rows give to the result.</param>
internal sealed record JobShard(
    long Unit, long Units, long Row, long Rows, int File, long FileRow, long Line, long Offset, long Characters, string Xxh128);

/// <summary>What a job is expected to take.</summary>
/// <param name="Texts">Texts.</param>
/// <param name="Tokens">Tokens of all backbones together.</param>
/// <param name="Seconds">Seconds on one machine like the one on which it was planned.</param>
/// <param name="OutputBytes">Bytes of all shards.</param>
public sealed record JobEstimate(long Texts, long Tokens, double Seconds, long OutputBytes);
