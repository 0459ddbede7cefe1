using LlmEmbed.Data;
using LlmEmbed.Learning;
using LlmEmbed.Reading;
using LlmEmbed.Recipes;
using Xunit;

namespace LlmEmbed.Tests.Recipes;

public sealed class ViewChooserTests
{
    private const int Channels = 6;

    [Fact]
    public void A_view_that_carries_the_label_is_chosen_and_noise_is_not()
    {
        ViewChoice choice = Choose(800, [Noise(2), Signal(5), Noise(8)], [2]);
        Assert.Equal([5], DepthsOf(choice.Chosen));
        Assert.Equal(1, choice.Singles.Index().MinBy(single => single.Item.Loss).Index);
    }

    [Fact]
    public void Views_that_know_different_things_are_chosen_together()
    {
        ViewChoice choice = Choose(800, [PartOfSignal(2, 0), Noise(5), PartOfSignal(8, 1)], [5]);
        Assert.Equal([2, 8], DepthsOf(choice.Chosen));
    }

    [Fact]
    public void Of_equal_views_the_shallower_is_chosen()
    {
        ViewChoice choice = Choose(800, [Certain(30), Certain(15), Noise(20)], [30]);
        Assert.Equal([15], DepthsOf(choice.Chosen));
        Assert.True(choice.Chosen.Cost < choice.Sets[^1].Cost);
    }

    /// <summary>With a hundred classes no second look at more texts makes up for a cut that was too early.</summary>
    [Theory]
    [InlineData(4, 1.0)]
    [InlineData(100, 0.5)]
    public void The_cheapest_set_within_the_tolerated_standard_errors_is_chosen(int classCount, double tolerated)
    {
        int otherwise = 0;
        for (ulong seed = 1; seed <= 3; seed++)
        {
            HeadTrainingData data = Data(800, [Faint(5, 1.5), Faint(15, 0.2), Faint(20, 0.2), Faint(30, 0.2)], classCount, seed);
            ViewChoice choice = ViewChooser.Choose(data, [At(5)], _ => 1, new LinearOptions(), cancellationToken: Cancellation)!;
            ViewSetScore Cheapest(double errors) => choice.Sets.First(set =>
                PairedLosses.Excess(set.RowLosses, choice.Best.RowLosses) is var (mean, error) && mean <= errors * error);
            Assert.Equal(Cheapest(tolerated), choice.Chosen);
            if (Cheapest(1.5 - tolerated) != choice.Chosen) otherwise++;
        }
        Assert.NotEqual(0, otherwise); // the other tolerance would choose something else
    }

    [Theory]
    [InlineData(500, true)]
    [InlineData(501, false)]
    public void With_few_texts_all_presets_are_taken_and_with_many_one_set_is_chosen(int rows, bool areAllTaken)
    {
        ViewChoice choice = Choose(rows, [Noise(30), Signal(15)], [30], [15]);
        Assert.Equal(areAllTaken ? [30, 15] : [15], DepthsOf(choice.Chosen));
        IEnumerable<int>[] learned = areAllTaken ? [[15], [30]] : [[15]];
        Assert.Equal(learned, choice.Learned.Select(views => views.Select(view => view.Depth)));
    }

    [Fact]
    public void What_is_not_allowed_is_not_chosen_and_the_cheapest_always_is()
    {
        HeadTrainingData data = Data(800, [Noise(2), Signal(5)]);
        Assert.DoesNotContain(5, DepthsOf(Choose(set => !DepthsOf(set).Contains(5)).Chosen));
        Assert.Equal([2], DepthsOf(Choose(_ => false).Chosen));

        ViewChoice Choose(Func<ViewSetScore, bool> allowed) =>
            ViewChooser.Choose(data, [At(2)], _ => 1, new LinearOptions(), allowed, cancellationToken: Cancellation)!;
    }

    [Fact]
    public void The_tokens_of_a_prompt_count_in_its_cost()
    {
        HeadTrainingData data = Data(60, [Signal(10), Signal(10)]);
        FeatureLayout layout = new([data.Layout.Views[0], data.Layout.Views[1] with { Backbone = "prompted" }]);
        data = new HeadTrainingData(data.Features, data.Labels, data.ClassCount, layout);
        double BlockCost(string backbone) => backbone == "prompted" ? 3 : 1;
        ViewChoice choice = ViewChooser.Choose(data, [layout.Keys], BlockCost, new LinearOptions(), cancellationToken: Cancellation)!;
        Assert.Equal([1, 3, 4], new[] { choice.Singles[0], choice.Singles[1], choice.Chosen }.Select(score => score.Cost / choice.Singles[0].Cost));
    }

    [Fact]
    public void One_text_of_each_class_decides_nothing()
    {
        HeadTrainingData data = Data(2, [Signal(1), Noise(2)]);
        Assert.Null(ViewChooser.Choose(data, [At(1)], _ => 1, new LinearOptions(), cancellationToken: Cancellation));
    }

    [Fact]
    public void The_same_data_and_seed_choose_the_same()
    {
        ViewChoice[] choices = [.. Enumerable.Range(0, 2).Select(_ => Choose(120, [Noise(2), Signal(5), PartOfSignal(8, 0)], [2]))];
        Assert.Equal(choices[0].Chosen.RowLosses, choices[1].Chosen.RowLosses);
        Assert.Equal(choices[0].Chosen.Views, choices[1].Chosen.Views);
    }

    private delegate void View(int label, DeterministicRandom random, Span<float> channels);

    /// <summary>The class, one of four, shows in the first two channels.</summary>
    private static (int Depth, View Fill) Signal(int depth) => (depth, (label, random, channels) =>
    {
        Fill(random, channels);
        channels[0] += 3 * (label & 1);
        channels[1] += 3 * (label >> 1);
    }
    );

    /// <summary>The class shows, more or less.</summary>
    private static (int Depth, View Fill) Faint(int depth, double strength) => (depth, (label, random, channels) =>
    {
        Fill(random, channels);
        channels[0] += (float)strength * (label & 1);
        channels[1] += (float)strength * (label >> 1);
    }
    );

    /// <summary>The class and nothing else: two such views are the same.</summary>
    private static (int Depth, View Fill) Certain(int depth) => (depth, (label, _, channels) => (channels[0], channels[1]) = (label & 1, label >> 1));

    /// <summary>One bit of the class's number shows.</summary>
    private static (int Depth, View Fill) PartOfSignal(int depth, int bit) => (depth, (label, random, channels) =>
    {
        Fill(random, channels);
        channels[0] += 4 * ((label >> bit) & 1);
    }
    );

    private static (int Depth, View Fill) Noise(int depth) => (depth, (_, random, channels) => Fill(random, channels));

    private static void Fill(DeterministicRandom random, Span<float> channels)
    {
        for (int channel = 0; channel < channels.Length; channel++) channels[channel] = (float)(random.NextDouble() + random.NextDouble() - 1);
    }

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    /// <param name="rows">The number of texts.</param>
    /// <param name="views">The candidates, all of different depths.</param>
    /// <param name="presets">Sets of their depths.</param>
    private static ViewChoice Choose(int rows, (int Depth, View Fill)[] views, params int[][] presets) =>
        ViewChooser.Choose(Data(rows, views), [.. presets.Select(At)], _ => 1, new LinearOptions(), cancellationToken: Cancellation)!;

    private static IReadOnlyList<ViewKey> At(params int[] depths) => [.. depths.Select(depth => new ViewKey("decoder", new(depth, Pooling.Mean)))];

    private static IEnumerable<int> DepthsOf(ViewSetScore set) => set.Views.Select(view => view.Depth);

    /// <summary>Texts of four classes; further ones have none.</summary>
    private static HeadTrainingData Data(int rows, (int Depth, View Fill)[] views, int classCount = 4, ulong seed = 5)
    {
        DeterministicRandom random = new(seed);
        float[] values = new float[rows * views.Length * Channels];
        int[] labels = [.. Enumerable.Range(0, rows).Select(row => row % 4)];
        for (int row = 0; row < rows; row++)
            for (int view = 0; view < views.Length; view++)
                views[view].Fill(labels[row], random, values.AsSpan((row * views.Length + view) * Channels, Channels));
        FeatureLayout layout = new(
            [.. views.Select((view, index) => new FeatureView("decoder", view.Depth, Pooling.Mean, index * Channels, Channels))]);
        return new HeadTrainingData(new ArrayFeatures(values, rows, layout.FeatureCount), labels, classCount, layout);
    }
}
