using System.Text.Json.Serialization;
using LlmEmbed.Learning;

namespace LlmEmbed.Reports;

/// <summary>The types that <see cref="HeadSentences.Json"/> writes.</summary>
[JsonSourceGenerationOptions(GenerationMode = JsonSourceGenerationMode.Metadata)]
[JsonSerializable(typeof(HeadDecisions))]
[JsonSerializable(typeof(AttendedWord[]))]
internal sealed partial class HeadJson : JsonSerializerContext;
