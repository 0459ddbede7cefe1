using System.Buffers.Binary;
using System.Text;
using CsCheck;
using LlmEmbed.Files;
using Xunit;

namespace LlmEmbed.Tests.Files;

public sealed class SafetensorsFileTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Every_element_type_is_read_as_it_is_stored()
    {
        const string Header = """
            {"a":{"dtype":"I64","shape":[2],"data_offsets":[0,16]},
             "b":{"dtype":"F16","shape":[],"data_offsets":[16,18]},
             "c":{"dtype":"U8","shape":[0,5],"data_offsets":[18,18]},
             "__metadata__":{"k":"v"}}
            """;
        using SafetensorsFile file = Open(
            Header,
            [.. BitConverter.GetBytes(7L), .. BitConverter.GetBytes(-7L), .. BitConverter.GetBytes((Half)1.5f)]);
        Assert.Equal([7L, -7L], file.Require("a", [2], "I64").Span<long>().ToArray());
        Assert.Equal([1.5f], file.ReadFloat32("b"));
        Assert.True(file.Require("c", [-1, 5], "U8").Span<byte>().IsEmpty);
        Assert.Equal("v", file.Metadata["k"]);
    }

    [Fact]
    public void A_double_is_narrowed_and_read_whole()
    {
        using SafetensorsFile file = Open(
            """{"a":{"dtype":"F64","shape":[2],"data_offsets":[0,16]}}""",
            [.. BitConverter.GetBytes(0.1), .. BitConverter.GetBytes(-2.0)]);
        Assert.Equal([0.1f, -2f], file.ReadFloat32("a", 2));
        Assert.Equal([0.1, -2.0], file.Require("a", [2], "F64").Span<double>().ToArray());
    }

    [Fact]
    public void A_tensor_of_the_wrong_type_or_shape_or_name_is_refused_with_what_was_found()
    {
        using SafetensorsFile file = Open("""{"weight":{"dtype":"F32","shape":[1,2],"data_offsets":[0,8]}}""", new byte[8]);
        AssertError("'weight' is stored as F32, expected I64", () => file.Require("weight", [1, 2], "I64"));
        AssertError("'weight' has the shape [1,2], expected [2,1]", () => file.ReadFloat32("weight", 2, 1));
        AssertError("'weight' has the shape [1,2], expected [2]", () => file.ReadFloat32("weight", 2));
        AssertError("'weights' is missing. The nearest names in the file are 'weight'", () => file.ReadFloat32("weights", 2));
    }

    [Fact]
    public void An_infinite_value_is_refused_with_its_tensor()
    {
        using SafetensorsFile file = Open(
            """{"w":{"dtype":"F32","shape":[2,1],"data_offsets":[0,8]}}""",
            [.. BitConverter.GetBytes(1f), .. BitConverter.GetBytes(float.NegativeInfinity)]);
        AssertError("'w' (F32) holds NaN or infinity in row 1", () => file.ReadFloat32("w", 2, 1));
    }

    [Fact]
    public void A_missing_file_is_named() => AssertError("cannot be read", () => SafetensorsFile.Open(_folder.File("none.safetensors")));

    [Fact]
    public void An_empty_file_is_refused() => AssertRefused("the file has 0 bytes", []);

    [Fact]
    public void A_file_shorter_than_the_header_length_is_refused() => AssertRefused("the file has 7 bytes", new byte[7]);

    [Fact]
    public void A_header_length_over_the_limit_is_refused() =>
        AssertRefused("claims 18446744073709551615 bytes, expected at most 100000000", [.. Enumerable.Repeat((byte)255, 16)]);

    [Fact]
    public void A_header_length_over_the_file_is_refused() =>
        AssertRefused("claims 100 bytes, but the file ends after 10", [100, 0, 0, 0, 0, 0, 0, 0, (byte)'{', (byte)'}']);

    [Fact]
    public void A_header_that_is_not_JSON_is_refused() => AssertHeaderRefused("is not the JSON", "{]");

    [Fact]
    public void A_header_that_is_not_an_object_is_refused() => AssertHeaderRefused("is not a JSON object", "[1]");

    [Fact]
    public void A_header_nested_without_end_is_refused() => AssertHeaderRefused("is not the JSON", new string('[', 100_000));

    [Fact]
    public void A_name_that_is_not_Unicode_is_refused() =>
        AssertHeaderRefused("is not the JSON", """{"\ud800":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}""", 1);

    [Fact]
    public void A_name_that_occurs_twice_is_refused() => AssertHeaderRefused(
        "Duplicate", """{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}}""", 2);

    [Fact]
    public void Metadata_that_is_not_an_object_is_refused() => AssertHeaderRefused("'__metadata__' is not a JSON object", """{"__metadata__":1}""");

    [Fact]
    public void Metadata_that_is_not_a_string_is_refused() => AssertHeaderRefused("for 'k' that is not a string", """{"__metadata__":{"k":1}}""");

    [Fact]
    public void An_entry_that_is_not_an_object_is_refused() => AssertHeaderRefused("the entry of tensor 'a' is not", """{"a":1}""");

    [Fact]
    public void An_unknown_dtype_is_refused_by_name() =>
        AssertHeaderRefused("dtype 'F4', which is not implemented", """{"a":{"dtype":"F4","shape":[1],"data_offsets":[0,1]}}""", 1);

    [Fact]
    public void A_missing_shape_is_refused() => AssertHeaderRefused("no array 'shape'", """{"a":{"dtype":"U8","data_offsets":[0,1]}}""", 1);

    [Fact]
    public void A_negative_dimension_is_refused() =>
        AssertHeaderRefused("has -1 in 'shape'", """{"a":{"dtype":"U8","shape":[-1],"data_offsets":[0,1]}}""", 1);

    [Fact]
    public void A_fractional_dimension_is_refused() =>
        AssertHeaderRefused("has 1.5 in 'shape'", """{"a":{"dtype":"U8","shape":[1.5],"data_offsets":[0,1]}}""", 1);

    [Fact]
    public void An_offset_that_does_not_fit_64_bits_is_refused() =>
        AssertHeaderRefused("in 'data_offsets'", """{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,9223372036854775808]}}""", 1);

    [Fact]
    public void Offsets_other_than_begin_and_end_are_refused() =>
        AssertHeaderRefused("3 data_offsets", """{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1,2]}}""", 1);

    [Fact]
    public void A_begin_behind_the_end_is_refused() =>
        AssertHeaderRefused("begins at 1, behind its end 0", """{"a":{"dtype":"U8","shape":[1],"data_offsets":[1,0]}}""", 1);

    [Fact]
    public void An_end_behind_the_file_is_refused() =>
        AssertHeaderRefused("ends at byte 2 of the data, but the file holds 1", """{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}}""", 1);

    [Fact]
    public void A_shape_that_does_not_take_its_bytes_is_refused() =>
        AssertHeaderRefused("does not take the 4 bytes", """{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}""", 4);

    [Fact]
    public void A_shape_whose_product_overflows_is_refused() =>
        AssertHeaderRefused("does not take the 0 bytes", """{"a":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,0]}}""");

    [Fact]
    public void Overlapping_tensors_are_refused() => AssertHeaderRefused(
        "'b' overlaps", """{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}}""", 3);

    [Fact]
    public void A_gap_between_tensors_is_refused() => AssertHeaderRefused(
        "'b' leaves a gap", """{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"b":{"dtype":"U8","shape":[1],"data_offsets":[2,3]}}""", 3);

    [Fact]
    public void Bytes_behind_the_last_tensor_are_refused() =>
        AssertHeaderRefused("but the file has", """{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}""", 2);

    [Fact]
    public void Whatever_byte_is_changed_the_file_opens_or_is_refused()
    {
        byte[] whole = Bytes(
            """
            {"__metadata__":{"k":"v"},
             "a":{"dtype":"F32","shape":[2,1],"data_offsets":[0,8]},
             "b":{"dtype":"F16","shape":[1],"data_offsets":[8,10]}}
            """,
            new byte[10]);
        Gen.Select(Gen.Int[0, whole.Length - 1], Gen.Byte).Sample(
            (position, value) =>
            {
                byte[] changed = [.. whole];
                changed[position] = value;
                try
                {
                    using SafetensorsFile file = SafetensorsFile.Open(_folder.Write("changed.safetensors", changed));
                    foreach (SafetensorsTensor tensor in file.Tensors.Values.Where(tensor => tensor.Format is not null))
                        file.ReadFloat32(tensor.Name);
                }
                catch (LlmEmbedException error)
                {
                    Assert.StartsWith(_folder.File("changed.safetensors"), error.Message, StringComparison.Ordinal);
                }
            },
            iter: 3000, threads: 1);
    }

    [Fact]
    public void A_disposed_file_does_not_read_unmapped_memory()
    {
        SafetensorsFile file = Open("""{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}""", new byte[1]);
        file.Dispose();
        Assert.Throws<ObjectDisposedException>(() => file.Require("a", [1], "U8").Span<byte>().ToArray());
    }

    private SafetensorsFile Open(string header, byte[] data) => SafetensorsFile.Open(_folder.Write("file.safetensors", Bytes(header, data)));

    private static byte[] Bytes(string header, byte[] data)
    {
        byte[] length = new byte[8];
        BinaryPrimitives.WriteInt64LittleEndian(length, Encoding.UTF8.GetByteCount(header));
        return [.. length, .. Encoding.UTF8.GetBytes(header), .. data];
    }

    private void AssertHeaderRefused(string message, string header, int dataBytes = 0) => AssertRefused(message, Bytes(header, new byte[dataBytes]));

    private void AssertRefused(string message, byte[] bytes)
    {
        string path = _folder.Write("hostile.safetensors", bytes);
        Assert.Equal(path, AssertError(message, () => SafetensorsFile.Open(path)).FilePath);
    }

    private static LlmEmbedException AssertError(string message, Func<object> action)
    {
        LlmEmbedException error = Assert.Throws<LlmEmbedException>(action);
        Assert.Contains(message, error.Message, StringComparison.Ordinal);
        return error;
    }
}
