using CsCheck;
using LlmEmbed.Files;
using Xunit;

namespace LlmEmbed.Tests.Files;

public sealed class ProtobufWriterTests
{
    /// <summary>
    /// The expected bytes follow the description of the format: a tag is field × 8 + wire type, and numbers are written in groups of seven bits,
    /// lowest first.
    /// </summary>
    [Theory]
    [InlineData(1, 0, "0800")]
    [InlineData(1, 127, "087F")]
    [InlineData(1, 128, "088001")]
    [InlineData(1, 150, "089601")]
    [InlineData(15, 300, "78AC02")]
    [InlineData(16, 1, "800101")]
    [InlineData(1, -1, "08FFFFFFFFFFFFFFFFFF01")]
    [InlineData(1, long.MinValue, "0880808080808080808001")]
    [InlineData(1, long.MaxValue, "08FFFFFFFFFFFFFFFF7F")]
    public void Numbers_are_varints(int field, long value, string expected) => Assert.Equal(expected, Bytes(writer => writer.Int(field, value)));

    [Fact]
    public void Texts_bytes_floats_and_messages_have_their_wire_forms()
    {
        Assert.Equal("120774657374696E67", Bytes(writer => writer.Text(2, "testing")));
        Assert.Equal("1202C3A9", Bytes(writer => writer.Text(2, "é")));
        Assert.Equal("1A00", Bytes(writer => writer.Bytes(3, [])));
        Assert.Equal("250000803F", Bytes(writer => writer.Float(4, 1f)));
        Assert.Equal("1A03089601", Bytes(writer => writer.Message(3, nested => nested.Int(1, 150))));
    }

    [Fact]
    public void What_is_written_is_read_back() =>
        Gen.Select(Gen.Int[1, 5000], Gen.Int, Gen.Byte.Array[0, 300], Gen.Single).Sample((field, number, bytes, real) =>
    {
        ProtobufWriter writer = new();
        writer.Int(field, number);
        writer.Bytes(field + 1, bytes);
        writer.Float(field + 2, real);
        ProtobufReader reader = new("test", "a message", writer.Written);
        return reader.TryReadField(out int first) && first == field && reader.ReadInt32() == number
            && reader.TryReadField(out int second) && second == field + 1 && reader.ReadBytes().SequenceEqual(bytes)
            && reader.TryReadField(out int third) && third == field + 2 && reader.ReadFloat().Equals(real)
            && !reader.TryReadField(out _);
    });

    private static string Bytes(Action<ProtobufWriter> write)
    {
        ProtobufWriter writer = new();
        write(writer);
        return Convert.ToHexString(writer.Written);
    }
}
