using LlmEmbed.Data;
using LlmEmbed.Reading;
using LlmEmbed.Recipes;
using Xunit;

namespace LlmEmbed.Tests.Recipes;

public sealed class AttentionDepthsTests : IDisposable
{
    private static readonly string[] Texts = [.. Requests.Generate(6).Select(example => example.Text)];

    private readonly List<IDisposable> _owned = [];

    public void Dispose() => _owned.ForEach(owned => owned.Dispose());

    [Fact]
    public void All_depths_are_taken_where_they_fit()
    {
        Assert.Equal(["smollm2-135m-instruct: 9, 12, 15, 18, 24", "all-minilm-l6-v2: 2, 3, 4, 5, 6"], Depths(long.MaxValue, mayBeCut: false));
        BackboneReader reader = Open("bert");
        TokenStates tokens = AttentionDepths.Allocate([reader], Texts, long.MaxValue, mayBeCut: false)[0];
        IEnumerable<int> counts = Enumerable.Range(0, tokens.Rows).Select(row => tokens.Of(row, tokens.Depths[0]).Length / reader.HiddenSize);
        Assert.Equal(reader.AttendedCounts(Texts), counts);
    }

    [Fact]
    public void With_many_texts_none_lies_where_a_deep_network_may_be_cut() => Assert.Equal(
        ["smollm2-135m-instruct: 9, 12, 15, 18", "all-minilm-l6-v2: 2, 3, 4, 5, 6"], Depths(long.MaxValue, mayBeCut: true));

    [Fact]
    public void Where_memory_is_short_the_most_useful_remain_of_each_backbone_in_turn()
    {
        long encoder = BytesOf("all-minilm-l6-v2"), decoder = BytesOf("smollm2-135m-instruct");
        Assert.Equal(["smollm2-135m-instruct: 18", "all-minilm-l6-v2: 4"], Depths(decoder + encoder));
        Assert.Equal(["smollm2-135m-instruct: 15, 18", "all-minilm-l6-v2: 4, 5"], Depths(2 * (decoder + encoder)));
        Assert.Equal(["smollm2-135m-instruct: 18"], Depths(decoder));
        Assert.Empty(Depths(Math.Min(encoder, decoder) - 1));
    }

    [Fact]
    public void Nothing_is_learned_of_what_is_read_with_a_template()
    {
        using OpenBackbones backbones = new(Requests.Runtime);
        ReadingPlan plan = Plan(backbones, new() { Backbones = ["llama-gqa"], Prompt = "Of what speaks {text}?" });
        Assert.Equal(2, plan.Selection!.Encoding.Count);
        Assert.Equal("llama-gqa", Assert.Single(plan.Sample!.Tokens).Backbone);
    }

    [Fact]
    public void Nothing_is_learned_of_a_network_that_is_loaded_in_parts()
    {
        long bytes = MemoryPlan.Of(Open("all-minilm-l6-v2").Backbone.Model, depth: 6, Precision.Fp32, limitBytes: null).Bytes;
        foreach ((long memory, int expected) in new[] { (bytes, 1), (bytes - 1, 0) })
        {
            using OpenBackbones backbones = new(Requests.Runtime with { MemoryBytes = memory });
            ReadingPlan plan = Plan(backbones, new() { Backbones = ["all-minilm-l6-v2"], Precision = Precision.Fp32 });
            Assert.Equal(expected, plan.Sample!.Tokens.Count);
        }
    }

    [Fact]
    public void Nothing_is_learned_where_attention_is_not_wanted_or_the_head_is_another()
    {
        using OpenBackbones backbones = new(Requests.Runtime);
        Recipe.Automatic recipe = new() { Backbones = ["bert"] };
        Assert.NotEmpty(Plan(backbones, recipe).Sample!.Tokens);
        Assert.Empty(Plan(backbones, recipe with { UseAttention = false }).Sample!.Tokens);
        Assert.Empty(Plan(backbones, recipe with { Head = new HeadOptions.Linear() }).Sample!.Tokens);
    }

    private static ReadingPlan Plan(OpenBackbones backbones, Recipe.Automatic recipe)
    {
        string[] classes = ["billing", "delivery", "technical"];
        LabeledText[] examples = Requests.Generate(12);
        AutomaticTraining training = new(recipe, classes, backbones, seed: 0, progress: null, TestContext.Current.CancellationToken);
        int[] labels = [.. examples.Select(example => Array.IndexOf(classes, example.Label))];
        return training.PlanReading(new TrainingTexts([.. examples.Select(example => example.Text)], labels, classes, Groups: []));
    }

    private string[] Depths(long memoryBytes, bool mayBeCut = false) =>
    [
        .. AttentionDepths.Allocate([Open("all-minilm-l6-v2"), Open("smollm2-135m-instruct")], Texts, memoryBytes, mayBeCut)
            .Select(tokens => $"{tokens.Backbone}: {string.Join(", ", tokens.Depths)}"),
    ];

    /// <summary>Of the states of all tokens at one depth.</summary>
    private long BytesOf(string backbone)
    {
        BackboneReader reader = Open(backbone);
        return 4L * reader.HiddenSize * reader.AttendedCounts(Texts).Sum();
    }

    private BackboneReader Open(string backbone)
    {
        if (_owned.OfType<BackboneReader>().FirstOrDefault(reader => reader.Name == backbone) is { } open) return open;
        OpenBackbones backbones = new(Requests.Runtime);
        OpenBackbone opened = backbones.Open(backbone, default);
        BackboneReader reader = new(opened, new([new View(opened.Model.BlockCount, Pooling.Last)], MaxTokens: 64, Precision.Fp32), Requests.Runtime);
        _owned.AddRange([reader, backbones]);
        return reader;
    }
}
