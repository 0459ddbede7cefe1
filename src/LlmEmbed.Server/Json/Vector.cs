using System.Runtime.InteropServices;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace LlmEmbed.Server.Json;

/// <summary>A vector [H], written as a list of numbers or as Base64 of little-endian 32-bit floats.</summary>
/// <param name="Values">Finite numbers.</param>
/// <param name="IsBase64">Whether it is written as Base64.</param>
[JsonConverter(typeof(VectorConverter))]
internal readonly record struct Vector(ReadOnlyMemory<float> Values, bool IsBase64);

internal sealed class VectorConverter : JsonConverter<Vector>
{
    public override Vector Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) => throw new NotSupportedException();

    public override void Write(Utf8JsonWriter writer, Vector value, JsonSerializerOptions options)
    {
        if (value.IsBase64)
        {
            writer.WriteBase64StringValue(MemoryMarshal.AsBytes(value.Values.Span)); // all processors that .NET runs on are little-endian
            return;
        }
        writer.WriteStartArray();
        foreach (float number in value.Values.Span) writer.WriteNumberValue(number);
        writer.WriteEndArray();
    }
}
