using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Xunit;

namespace LlmEmbed.Tests.Server;

/// <summary>The page on which a person tries the models.</summary>
[Collection(SharedServer.Name)]
public sealed class PageTests(RunningServer server)
{
    private const string Chromium = "/usr/bin/chromium";

    [Fact]
    public async Task It_runs_only_its_own_script_and_loads_nothing_from_elsewhere()
    {
        using HttpResponseMessage response = await server.GetAsync("/");
        string html = await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);
        Assert.Equal("text/html", response.Content.Headers.ContentType!.MediaType);
        string policy = response.Headers.GetValues("Content-Security-Policy").Single();
        Assert.StartsWith("default-src 'none'; script-src 'sha256-", policy, StringComparison.Ordinal);
        Assert.DoesNotContain("unsafe", policy, StringComparison.Ordinal);
        Assert.DoesNotMatch(new Regex(@"\s(?:src|href)=""(?:https?:)?//", RegexOptions.None, TimeSpan.FromSeconds(5)), html);
        Assert.DoesNotMatch(new Regex(@"\s(?:style|on\w+)=""", RegexOptions.None, TimeSpan.FromSeconds(5)), html); // the policy would drop them
    }

    [Fact]
    public void A_person_types_a_text_and_sees_its_classes_in_light_in_dark_and_on_a_phone()
    {
        RequireBrowser();
        const string Text = "the courier is late with my parcel";
        JsonNode seen = Witness.Run("page.mjs", Address(server), Text).Succeeded().Json;
        AssertSeen(server.LoadedClassifier.Predict(Text), seen);
        Assert.Contains(Text, (string)seen["light"]!["python"]!, StringComparison.Ordinal);
    }

    [Fact]
    public async Task It_asks_for_a_key_where_the_server_does()
    {
        RequireBrowser();
        await using RunningServer locked = new();
        await locked.StartAsync(options => options with { ApiKeys = ["opens"] });
        JsonNode seen = Witness.Run("page.mjs", Address(locked), "refund my invoice", "", "opens").Succeeded().Json;
        AssertSeen(locked.LoadedClassifier.Predict("refund my invoice"), seen);
        Assert.Contains("LLMEMBED_API_KEY", (string)seen["light"]!["python"]!, StringComparison.Ordinal);
    }

    private static void AssertSeen(Prediction expected, JsonNode seen)
    {
        string[][] classes = [.. expected.Ranked.Take(8).Select(item => (string[])[item.Label, $"{100 * item.Probability:0.0} %"])];
        foreach (string look in new[] { "light", "dark", "phone" })
        {
            JsonNode page = seen[look]!;
            Assert.Empty(page["errors"]!.AsArray());
            Assert.Empty(page["elsewhere"]!.AsArray());
            Assert.False((bool)page["isWider"]!, $"{look}: the page is wider than the screen");
            Assert.Equal(classes.Select(row => row[0]), page["classes"]!.AsArray().Select(row => (string)row![0]!));
            Assert.Equal(classes.Select(row => row[1]), page["classes"]!.AsArray().Select(row => (string)row![1]!));
            Assert.Equal($"{classes[0][0]}, {classes[0][1]}", (string)page["answer"]!);
        }
    }

    private static string Address(RunningServer server) => server.Client.BaseAddress!.ToString();

    private static void RequireBrowser()
    {
        Witness.Require("playwright-core");
        Assert.SkipUnless(File.Exists(Chromium), $"needs a browser: {Chromium}");
    }
}
