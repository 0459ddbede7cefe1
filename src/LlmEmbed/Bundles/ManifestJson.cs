using System.Text.Json.Serialization;

namespace LlmEmbed.Bundles;

/// <summary>The types of classifier.json.</summary>
[JsonSourceGenerationOptions(GenerationMode = JsonSourceGenerationMode.Metadata)]
[JsonSerializable(typeof(ClassifierBundle.Manifest))]
internal sealed partial class ManifestJson : JsonSerializerContext;
