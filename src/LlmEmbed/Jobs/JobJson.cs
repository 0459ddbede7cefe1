using System.Text.Json.Serialization;

namespace LlmEmbed.Jobs;

/// <summary>The types of the JSON files of a job.</summary>
[JsonSourceGenerationOptions(GenerationMode = JsonSourceGenerationMode.Metadata)]
[JsonSerializable(typeof(JobPlan))]
[JsonSerializable(typeof(ShardClaim.Claim))]
[JsonSerializable(typeof(ShardFailure))]
[JsonSerializable(typeof(ShardRecord))]
[JsonSerializable(typeof(UnitRecord))]
[JsonSerializable(typeof(RejectedRow))]
internal sealed partial class JobJson : JsonSerializerContext;
