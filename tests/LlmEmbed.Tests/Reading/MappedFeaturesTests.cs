using LlmEmbed.Reading;
using Xunit;

namespace LlmEmbed.Tests.Reading;

public sealed class MappedFeaturesTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void What_fits_into_the_memory_given_stays_there_and_what_does_not_is_mapped_if_there_is_a_folder()
    {
        FeatureStorage storage = new(_folder.Path, MemoryBytes: 10 * 4 * sizeof(float));
        using FeatureMatrix small = storage.Allocate(10, 4), large = storage.Allocate(11, 4), homeless = (
            storage with { Folder = null }).Allocate(11, 4);
        Assert.IsType<ArrayFeatures>(small);
        Assert.IsType<MappedFeatures>(large);
        Assert.IsType<ArrayFeatures>(homeless);
    }

    [Fact]
    public void A_memory_limit_leaves_a_quarter_of_itself_to_features()
    {
        RuntimeOptions runtime = new() { CacheFolder = _folder.Path, MemoryBytes = 400 };
        Assert.Equal(new FeatureStorage(_folder.Path, 100), FeatureStorage.Of(runtime));
    }

    [Fact]
    public void Rows_come_back_as_they_were_written_and_so_do_selections()
    {
        using FeatureMatrix matrix = new FeatureStorage(_folder.Path, MemoryBytes: 0).Allocate(100, 3);
        for (int row = 0; row < 100; row++) new float[] { row, -row, 0.5f }.CopyTo(matrix.RowTarget(row));
        Assert.Equal([98, -98, 0.5f, 99, -99, 0.5f], matrix.Block(98, 2).ToArray());
        using FeatureMatrix rows = matrix.Select([7, 3]), views = matrix.Select([new FeatureView("b", 1, Pooling.Mean, 1, 2)]);
        Assert.IsType<MappedFeatures>(rows);
        Assert.Equal([7, -7, 0.5f, 3, -3, 0.5f], rows.Block(0, 2).ToArray());
        Assert.Equal([-99, 0.5f], views.Row(99).ToArray());
        Assert.Throws<ArgumentOutOfRangeException>(() => matrix.Block(99, 2));
    }

    [Fact]
    public void Nothing_is_left_and_what_is_closed_cannot_be_read()
    {
        FeatureMatrix matrix = new FeatureStorage(_folder.Path, MemoryBytes: 0).Allocate(2, 2);
        Memory<float> block = matrix.Block(0, 2);
        matrix.Dispose();
        Assert.Throws<ObjectDisposedException>(() => block.Span[0]);
        Assert.Throws<ObjectDisposedException>(() => matrix.Block(0, 1));
        Assert.Empty(Directory.GetFiles(_folder.Path));
    }

    [Fact]
    public void A_folder_without_room_is_named()
    {
        string file = _folder.Write("file", "");
        LlmEmbedException error = Assert.Throws<LlmEmbedException>(() => new FeatureStorage(file, MemoryBytes: 0).Allocate(1, 1));
        Assert.StartsWith(file, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void More_than_an_array_holds_asks_for_a_folder()
    {
        LlmEmbedException error = Assert.Throws<LlmEmbedException>(() => new FeatureStorage(null, MemoryBytes: 0).Allocate(3_000_000, 1_000));
        Assert.Contains("--cache", error.Message, StringComparison.Ordinal);
    }
}
