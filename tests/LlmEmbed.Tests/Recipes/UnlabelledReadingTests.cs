using LlmEmbed.Recipes;
using Xunit;

namespace LlmEmbed.Tests.Recipes;

public sealed class UnlabelledReadingTests
{
    [Fact]
    public void With_many_labelled_texts_unlabelled_ones_are_refused()
    {
        Recipe.Automatic recipe = new() { Unlabelled = ["a text"] };
        UnlabelledReading.RequireUsable(recipe, examples: 500);
        UnlabelledReading.RequireUsable(recipe with { Unlabelled = [] }, examples: 501);
        LlmEmbedException error = Assert.Throws<LlmEmbedException>(() => UnlabelledReading.RequireUsable(recipe, examples: 501));
        Assert.Equal(
            "Unlabelled texts help with up to 500 labelled texts, and there are 501: with so many the labels say more. Leave them out.",
            error.Message);
    }

    [Fact]
    public void Heads_that_do_not_learn_from_them_and_a_budget_refuse_them()
    {
        Recipe.Automatic recipe = new() { Unlabelled = ["a text"] };
        Assert.Contains("automatic head", Refusal(recipe with { Head = new HeadOptions.Linear() }), StringComparison.Ordinal);
        Assert.Contains("budget", Refusal(recipe with { Budget = TimeSpan.FromMinutes(1) }), StringComparison.Ordinal);

        static string Refusal(Recipe.Automatic recipe) =>
            Assert.Throws<LlmEmbedException>(() => UnlabelledReading.RequireUsable(recipe, examples: 10)).Message;
    }
}
