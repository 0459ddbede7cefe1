using System.Text.Json;
using System.Text.Json.Serialization.Metadata;

namespace LlmEmbed.Files;

/// <summary>Objects to JSON and back by what the compiler wrote down of their types, so that programs can be trimmed and compiled ahead.</summary>
internal static class JsonTypes
{
    /// <summary>What the options know of a type, one of those that their context names.</summary>
    public static JsonTypeInfo<T> Of<T>(this JsonSerializerOptions options) => (JsonTypeInfo<T>)options.GetTypeInfo(typeof(T));
}
