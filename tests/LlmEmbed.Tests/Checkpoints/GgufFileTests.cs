using LlmEmbed.Checkpoints;
using Xunit;

namespace LlmEmbed.Tests.Checkpoints;

public sealed class GgufFileTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Metadata_of_every_type_is_read_as_the_same_dotnet_type()
    {
        GgufBuilder builder = new();
        builder
            .Value("u8", 0, writer => writer.Write((byte)200))
            .Value("i8", 1, writer => writer.Write((sbyte)-2))
            .Value("u16", 2, writer => writer.Write((ushort)60000))
            .Value("i16", 3, writer => writer.Write((short)-3))
            .UInt32("u32", 4_000_000_000)
            .Value("i32", 5, writer => writer.Write(-4))
            .Float32("f32", 1.5f)
            .Bool("bool", 1)
            .Text("text", "日本")
            .Value("u64", 10, writer => writer.Write(ulong.MaxValue))
            .Value("i64", 11, writer => writer.Write(long.MinValue))
            .Value("f64", 12, writer => writer.Write(0.1))
            .Array("floats", 6, 2, writer =>
            {
                writer.Write(1f);
                writer.Write(2f);
            })
            .Array("flags", 7, 2, writer => writer.Write((short)1));
        using GgufFile file = Open(builder);
        object[] expected =
        [
            (byte)200, (sbyte)-2, (ushort)60000, (short)-3, 4_000_000_000u, -4, 1.5f, true, "日本", ulong.MaxValue, long.MinValue, 0.1,
            new[] { 1f, 2f }, new[] { true, false },
        ];
        Assert.Equal(expected, file.Metadata.Values);
    }

    [Theory]
    [InlineData(0u, 1, typeof(byte[]))]
    [InlineData(1u, 1, typeof(sbyte[]))]
    [InlineData(2u, 2, typeof(ushort[]))]
    [InlineData(3u, 2, typeof(short[]))]
    [InlineData(4u, 4, typeof(uint[]))]
    [InlineData(5u, 4, typeof(int[]))]
    [InlineData(8u, 8, typeof(string[]))]
    [InlineData(10u, 8, typeof(ulong[]))]
    [InlineData(11u, 8, typeof(long[]))]
    [InlineData(12u, 8, typeof(double[]))]
    public void Arrays_have_the_dotnet_type_of_their_elements(uint type, int elementBytes, Type expected)
    {
        using GgufFile file = Open(new GgufBuilder().Array("array", type, 3, writer => writer.Write(new byte[3 * elementBytes])).UInt32("next", 7));
        Assert.Equal(3, Assert.IsType<Array>(file.Metadata["array"], exactMatch: false).Length);
        Assert.IsType(expected, file.Metadata["array"]);
        Assert.Equal(7u, file.Metadata["next"]);
    }

    [Fact]
    public void Tensors_lie_where_alignment_and_offsets_say()
    {
        GgufBuilder builder = new() { Alignment = 128 };
        builder.UInt32("general.alignment", 128).Float32Tensor("a", [1, 2, 3], 3).Float32Tensor("b", [4, 5, 6, 7], 2, 2);
        using GgufFile file = Open(builder);
        Assert.All(file.Tensors.Values, tensor => Assert.Equal(0, tensor.Offset % 128));
        float[] values = new float[4];
        file.Tensors["b"].Format.Widen(file.File.Span(file.Tensors["b"].Offset, 16), values);
        Assert.Equal([4, 5, 6, 7], values);
    }

    [Fact]
    public void Version_two_opens() => Open(new GgufBuilder { Version = 2 }.Float32Tensor("a", 1)).Dispose();

    [Fact]
    public void A_wrong_magic_is_refused() => AssertRefused("begins with 0x67676d6c", new GgufBuilder { Magic = 0x67676d6c });

    [Fact]
    public void Version_one_is_refused_by_name() => AssertRefused("GGUF version 1, expected version 2 or 3", new GgufBuilder { Version = 1 });

    [Fact]
    public void An_unknown_version_is_refused_by_name() => AssertRefused("GGUF version 4", new GgufBuilder { Version = 4 });

    [Fact]
    public void A_big_endian_file_is_refused_by_name() => AssertRefused("big endian", new GgufBuilder { Version = 0x03000000 });

    [Fact]
    public void An_empty_file_is_refused() => AssertRefused("ends after 0 bytes inside the magic", []);

    [Fact]
    public void Every_truncation_is_refused_with_the_file_named()
    {
        byte[] whole = GgufBuilder.TinyModel("llama").Build();
        for (int length = 0; length < whole.Length - 32; length++) AssertRefused("", whole[..length]); // the last 32 bytes may be padding
    }

    [Fact]
    public void A_tensor_count_that_the_file_cannot_hold_is_refused() =>
        AssertRefused("claims 18446744073709551615 tensors", new GgufBuilder { TensorCount = ulong.MaxValue });

    [Fact]
    public void A_metadata_count_that_the_file_cannot_hold_is_refused() =>
        AssertRefused("metadata entries", new GgufBuilder { MetadataCount = 1UL << 40 });

    [Fact]
    public void A_key_longer_than_the_limit_is_refused() =>
        AssertRefused("a metadata key claims 70000 bytes", new GgufBuilder().UInt32(new string('k', 70_000), 1));

    [Fact]
    public void A_string_longer_than_the_file_is_refused() =>
        AssertRefused("inside s, which needs 1000 bytes", new GgufBuilder().Value("s", 8, writer => writer.Write(1000UL)));

    [Fact]
    public void A_string_longer_than_the_limit_is_refused() =>
        AssertRefused("s claims 18446744073709551615 bytes", new GgufBuilder().Value("s", 8, writer => writer.Write(ulong.MaxValue)));

    [Fact]
    public void A_string_that_is_not_UTF8_is_refused() => AssertRefused("s is not UTF-8", new GgufBuilder().Value("s", 8, writer =>
    {
        writer.Write(2UL);
        writer.Write((ushort)0xffff);
    }));

    [Fact]
    public void A_huge_array_count_is_refused_before_anything_is_allocated() =>
        AssertRefused("claims 4611686018427387904 elements of 'a'", new GgufBuilder().Array("a", 6, 1UL << 62, _ => { }));

    [Fact]
    public void An_array_of_arrays_is_refused() => AssertRefused("'a' is an array of arrays", new GgufBuilder().Array("a", 9, 0, _ => { }));

    [Fact]
    public void An_unknown_value_type_is_refused() =>
        AssertRefused("'v' has the value type 13", new GgufBuilder().Value("v", 13, writer => writer.Write(0UL)));

    [Fact]
    public void An_unknown_element_type_is_refused() =>
        AssertRefused("'a' is an array of the type 99", new GgufBuilder().Array("a", 99, 0, _ => { }));

    [Fact]
    public void A_bool_that_is_neither_true_nor_false_is_refused() => AssertRefused("'b' is the byte 2", new GgufBuilder().Bool("b", 2));

    [Fact]
    public void A_key_that_occurs_twice_is_refused() => AssertRefused("'k' occurs twice", new GgufBuilder().UInt32("k", 1).UInt32("k", 1));

    [Theory]
    [InlineData(0u)]
    [InlineData(48u)]
    public void An_alignment_that_is_no_power_of_two_is_refused(uint alignment) =>
        AssertRefused($"'general.alignment' is {alignment}", new GgufBuilder().UInt32("general.alignment", alignment));

    [Fact]
    public void An_alignment_of_another_type_is_refused() =>
        AssertRefused("'general.alignment' is 32,", new GgufBuilder().Value("general.alignment", 10, writer => writer.Write(32UL)));

    [Fact]
    public void A_tensor_described_twice_is_refused() =>
        AssertRefused("'t' is described twice", new GgufBuilder().Float32Tensor("t", 1).Float32Tensor("t", 1));

    [Fact]
    public void A_tensor_without_dimensions_is_refused() => AssertRefused("'t' has 0 dimensions", new GgufBuilder().Tensor("t", 0, 0));

    [Fact]
    public void A_tensor_of_five_dimensions_is_refused() => AssertRefused("'t' has 5 dimensions", new GgufBuilder().Tensor("t", 0, 0, 1, 1, 1, 1, 1));

    [Fact]
    public void A_dimension_of_zero_is_refused() => AssertRefused("'t' has 0 as dimension 1", new GgufBuilder().Tensor("t", 0, 0, 4, 0));

    [Fact]
    public void A_dimension_over_63_bits_is_refused() =>
        AssertRefused("'t' has 18446744073709551615 as dimension 0", new GgufBuilder().Tensor("t", 0, 0, ulong.MaxValue));

    [Fact]
    public void Dimensions_whose_product_overflows_are_refused() =>
        AssertRefused("more than any file can hold", new GgufBuilder().Tensor("t", 0, 0, 1UL << 32, 1UL << 32));

    [Fact]
    public void A_row_that_does_not_fill_its_blocks_is_refused() =>
        AssertRefused("rows of 48 values, expected a multiple of the 32 values of a Q4_0 block", new GgufBuilder().Tensor("t", 2, 0, 48));

    [Theory]
    [InlineData(16u, "IQ2_XXS")]
    [InlineData(39u, "MXFP4")]
    [InlineData(4u, "type 4, which GGUF has given up")]
    [InlineData(1000u, "the unknown type 1000")]
    public void A_type_that_is_not_implemented_is_refused_by_name(uint type, string name) =>
        AssertRefused($"'t' is stored as {name}, which is not implemented", new GgufBuilder().Tensor("t", type, 0, 256));

    [Fact]
    public void An_offset_that_is_not_aligned_is_refused() =>
        AssertRefused("'t' has the offset 8, expected a multiple of 32", new GgufBuilder().Tensor("t", 0, 8, 1));

    [Fact]
    public void An_offset_behind_the_file_is_refused() =>
        AssertRefused("'t' takes 4 bytes from byte 4096", new GgufBuilder().Tensor("t", 0, 4096, 1));

    [Fact]
    public void An_offset_over_63_bits_is_refused() =>
        AssertRefused("'t' has the offset 18446744073709551584", new GgufBuilder().Tensor("t", 0, ulong.MaxValue - 31, 1));

    [Fact]
    public void A_tensor_longer_than_the_file_is_refused() => AssertRefused("'t' takes 4096 bytes", new GgufBuilder().Tensor("t", 0, 0, 1024));

    [Fact]
    public void Overlapping_tensors_are_refused() => AssertRefused("'u' overlaps", new GgufBuilder().Float32Tensor("t", 16).Tensor("u", 0, 32, 8));

    private GgufFile Open(GgufBuilder builder) => GgufFile.Open(_folder.Write("file.gguf", builder.Build()));

    private void AssertRefused(string message, GgufBuilder builder) => AssertRefused(message, builder.Build());

    private void AssertRefused(string message, byte[] bytes)
    {
        string path = _folder.Write("hostile.gguf", bytes);
        LlmEmbedException error = Assert.Throws<LlmEmbedException>(() => GgufFile.Open(path));
        Assert.Equal(path, error.FilePath);
        Assert.Contains(message, error.Message, StringComparison.Ordinal);
    }
}
