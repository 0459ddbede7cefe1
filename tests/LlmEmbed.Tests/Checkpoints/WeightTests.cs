using LlmEmbed.Checkpoints;
using Xunit;

namespace LlmEmbed.Tests.Checkpoints;

public sealed class WeightTests
{
    [Theory]
    [InlineData("modernbert", "model.layers.1.attn.Wqkv.weight")] // fp16
    [InlineData("gguf/llama-mha-Q8_0.gguf", "model.layers.1.mlp.gate_proj.weight")]
    [InlineData("gguf/llama-mha-Q8_0.gguf", "model.layers.1.self_attn.q_proj.weight")] // interleaved heads
    [InlineData("bert", "encoder.layer.0.intermediate.dense.bias")]
    public void A_slice_has_the_values_of_the_rows_it_names(string fixture, string name)
    {
        const int First = 8, Count = 16;
        using Checkpoint checkpoint = Checkpoint.Open(Repository.Fixture(fixture.Split('/')));
        Weight whole = checkpoint.Weights[name];
        int width = whole.Shape.Count == 1 ? 1 : whole.RowLength;
        float[] all = new float[whole.ElementCount], slice = new float[Count * width], ofSlice = new float[8 * width];
        whole.CopyTo(all);
        whole.Slice(First, Count).CopyTo(slice);
        Assert.Equal(all[(First * width)..((First + Count) * width)], slice);
        whole.Slice(8, 24).Slice(First, 8).CopyTo(ofSlice);
        Assert.Equal(all[((8 + First) * width)..((16 + First) * width)], ofSlice);
        whole.Times(3).Slice(First, Count).Times(2).CopyTo(slice);
        Assert.Equal(all[(First * width)..((First + Count) * width)].Select(value => 3 * 2 * value), slice);
        Assert.Throws<ArgumentOutOfRangeException>(() => whole.Slice(First, whole.Shape[0] - First + 1));
    }

    [Fact]
    public void Mapped_values_are_not_taken_as_they_are_if_they_have_a_factor()
    {
        using Checkpoint checkpoint = Checkpoint.Open(Repository.Fixture("bert"));
        Weight stored = checkpoint.Weights["encoder.layer.0.output.dense.weight"];
        Assert.True(stored.Times(1).TryGetMappedFloat32(out _));
        Assert.False(stored.Times(2).TryGetMappedFloat32(out _));
        float[] row = new float[stored.RowLength], doubled = new float[stored.RowLength];
        stored.CopyRow(3, row);
        stored.Times(2).CopyRow(3, doubled);
        Assert.Equal(row.Select(value => 2 * value), doubled);
    }
}
