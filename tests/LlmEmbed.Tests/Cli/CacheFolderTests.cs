using Xunit;

namespace LlmEmbed.Tests.Cli;

/// <summary>Where no cache can be: commands work without one and say so; one that was asked for is an error.</summary>
public sealed class CacheFolderTests(TrainedClassifier trained) : IClassFixture<TrainedClassifier>, IDisposable
{
    private const string Note = "llmembed: nothing is kept for the next run: ";

    private readonly TemporaryFolder _folder = new();

    /// <summary>Each command once, and each kind of home once: each run is a process of its own, whose home cannot be set otherwise.</summary>
    [Theory]
    [InlineData("unset", "train --data DATA --backbone BACKBONE --output model --depths 3 --head linear --no-words")]
    [InlineData("empty", "embed --data DATA --backbone BACKBONE --output states.safetensors")]
    [InlineData("relative", "evaluate MODEL --data DATA")]
    [InlineData("file", "predict MODEL hello")]
    [InlineData("/proc", "probe --data DATA --backbone BACKBONE --depths 3")]
    public void Commands_work_without_a_home_and_say_so_in_one_line(string home, string command)
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "HOME is a variable of Unix");
        Assert.SkipWhen(home == "/proc" && !Directory.Exists(home), "there is no /proc");
        string file = _folder.Write("file", "");
        string? value = home switch { "unset" => null, "empty" => "", "file" => file, _ => home };
        ToolResult result = Run(value, cacheHome: null, [.. Words(command, output => output)]).Succeeded();
        string line = Assert.Single(result.Error.Split('\n'), line => line.StartsWith(Note, StringComparison.Ordinal));
        Assert.EndsWith("name a folder with --cache DIR, or say --cache none.", line, StringComparison.Ordinal);
        Assert.Subset(
            new HashSet<string> { "file", "model", "states.safetensors" },
            Directory.GetFileSystemEntries(_folder.Path).Select(path => Path.GetFileName(path)).ToHashSet());
    }

    [Fact]
    public void A_home_is_not_missed_where_no_cache_is_wanted()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "HOME is a variable of Unix");
        string data = trained.Data, states = _folder.File("states.safetensors");
        foreach (string cache in new[] { "none", _folder.File("cache") })
        {
            string[] command = ["embed", "--data", data, "--backbone", Repository.Fixture("bert"), "--output", states, "--cache", cache];
            Assert.DoesNotContain(Note, Run(home: "", cacheHome: null, command).Succeeded().Error, StringComparison.Ordinal);
        }
        Assert.True(Directory.Exists(_folder.File("cache")));
    }

    [Theory]
    [InlineData("", true)]
    [InlineData("relative", true)]
    [InlineData("absolute", false)]
    public void A_cache_home_that_is_empty_or_relative_counts_as_none(string cacheHome, bool isInHome)
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "HOME is a variable of Unix");
        string home = Directory.CreateDirectory(_folder.File("home")).FullName;
        string[] command = ["embed", "--data", trained.Data, "--backbone", Repository.Fixture("bert"), "--output", "states.safetensors"];
        Run(home, cacheHome == "absolute" ? _folder.File(cacheHome) : cacheHome, command).Succeeded();
        Assert.Equal(isInHome, Directory.Exists(Path.Combine(home, ".cache", "llmembed")));
        Assert.Equal(!isInHome, Directory.Exists(_folder.File("absolute/llmembed")));
        Assert.False(Directory.Exists(_folder.File("relative")));
    }

    [Theory]
    [InlineData("train --data DATA --backbone BACKBONE --output model")]
    [InlineData("embed --data DATA --backbone BACKBONE --output states.safetensors")]
    [InlineData("evaluate MODEL --data DATA")]
    [InlineData("predict MODEL hello")]
    [InlineData("probe --data DATA --backbone BACKBONE")]
    [InlineData("compare --data DATA --test DATA --backbone BACKBONE")]
    public void A_cache_that_was_asked_for_and_cannot_be_written_is_an_error_that_names_the_option(string command)
    {
        string file = _folder.Write("file", ""), below = Path.Combine(file, "cache");
        ToolResult result = Tool.Run([.. Words(command, _folder.File), "--cache", below]);
        Assert.StartsWith($"llmembed: --cache {below}: ", result.Refused(), StringComparison.Ordinal);
        Assert.Equal([file], Directory.GetFileSystemEntries(_folder.Path));
    }

    public void Dispose() => _folder.Dispose();

    private IEnumerable<string> Words(string command, Func<string, string> outputOf) => command.Split(' ').Select(word => word switch
    {
        "DATA" => trained.Data,
        "MODEL" => trained.Model,
        "BACKBONE" => Repository.Fixture("bert"),
        "model" or "states.safetensors" => outputOf(word),
        _ => word,
    });

    private ToolResult Run(string? home, string? cacheHome, params IReadOnlyList<string> arguments) =>
        Tool.RunProgram(_folder.Path, [("HOME", home), ("XDG_CACHE_HOME", cacheHome)], Tool.Host, [Tool.Library, .. arguments]);
}
