using LlmEmbed.Reading;
using Xunit;

namespace LlmEmbed.Tests.Reading;

public sealed class PoolingsTests
{
    /// <summary>A member without a row, or with two, would throw.</summary>
    [Fact]
    public void Every_pooling_has_exactly_one_row()
    {
        Pooling[] members = Enum.GetValues<Pooling>();
        Assert.All(members, pooling => Assert.Equal(pooling, Poolings.Of(pooling).Pooling));
        Assert.Equal(members.Length, members.Select(Poolings.NameOf).Distinct(StringComparer.Ordinal).Count());
    }

    [Fact]
    public void Poolings_are_read_by_the_names_that_are_written()
    {
        foreach (Pooling pooling in Enum.GetValues<Pooling>()) Assert.Equal(pooling, Poolings.Parse(Poolings.NameOf(pooling)));
        Assert.Contains(
            "Known: mean, mean-skip-first, last", Assert.Throws<LlmEmbedException>(() => Poolings.Parse("Mean")).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void All_poolings_but_the_learned_one_can_be_asked_for()
    {
        IEnumerable<string> expected = Enum.GetValues<Pooling>().Where(pooling => pooling != Pooling.Attention).Select(Poolings.NameOf);
        Assert.Equal(expected, Poolings.Known.Select(kind => kind.Name));
    }
}
