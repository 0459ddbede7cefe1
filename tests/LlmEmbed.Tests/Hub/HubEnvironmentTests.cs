using LlmEmbed.Hub;
using Xunit;

namespace LlmEmbed.Tests.Hub;

[Collection(ProcessState.Name)]
public sealed class HubEnvironmentTests : IDisposable
{
    private static readonly string[] Cleared =
    [
        "HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_TOKEN_PATH", "HF_ENDPOINT", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE",
        "HF_HUB_DISABLE_IMPLICIT_TOKEN",
        "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_HUB_ETAG_TIMEOUT", "HF_HUB_DOWNLOAD_TIMEOUT",
    ];

    private readonly TemporaryFolder _folder = new();
    private readonly IDisposable[] _variables;

    public HubEnvironmentTests() =>
        _variables = [.. Cleared.Select(name => ProcessState.Variable(name, null)), ProcessState.Variable("HF_HOME", _folder.Path)];

    public void Dispose()
    {
        foreach (IDisposable variable in _variables) variable.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public void Without_variables_the_hub_is_asked_without_a_token()
    {
        HubEnvironment environment = HubEnvironment.OfProcess();
        Assert.Equal("https://huggingface.co", environment.Endpoint);
        Assert.Null(environment.Token);
        Assert.Null(environment.WhyOffline);
        Assert.Equal(_folder.File("hub"), environment.Cache);
    }

    [Theory]
    [InlineData("HF_TOKEN", " hf_a\r\n", "hf_a")]
    [InlineData("HUGGING_FACE_HUB_TOKEN", "hf_b", "hf_b")]
    [InlineData("HF_TOKEN", "\n", "hf_file")]
    public void The_token_comes_from_a_variable_or_else_from_the_file(string variable, string value, string expected)
    {
        _folder.Write("token", "hf_file\n");
        using IDisposable _ = ProcessState.Variable(variable, value);
        Assert.Equal(expected, HubEnvironment.OfProcess().Token);
        using IDisposable implicitly = ProcessState.Variable("HF_HUB_DISABLE_IMPLICIT_TOKEN", "yes");
        Assert.Null(HubEnvironment.OfProcess().Token);
    }

    [Fact]
    public void A_token_that_could_end_a_header_is_refused_without_being_shown()
    {
        using IDisposable _ = ProcessState.Variable("HF_TOKEN", "hf_a hf_b");
        string message = Assert.Throws<LlmEmbedException>(HubEnvironment.OfProcess).Message;
        Assert.Contains("The token from HF_TOKEN holds blanks", message, StringComparison.Ordinal);
        Assert.DoesNotContain("hf_a", message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("HF_HUB_OFFLINE", "1", true)]
    [InlineData("HF_HUB_OFFLINE", "on", true)]
    [InlineData("TRANSFORMERS_OFFLINE", "Yes", true)]
    [InlineData("HF_HUB_OFFLINE", "0", false)]
    public void Offline_is_what_python_takes_for_true(string variable, string value, bool expected)
    {
        using IDisposable _ = ProcessState.Variable(variable, value);
        Assert.Equal(expected, HubEnvironment.OfProcess().WhyOffline is not null);
    }

    [Theory]
    [InlineData("huggingface.co")]
    [InlineData("file:///etc")]
    [InlineData("https://user:secret@host")]
    public void An_endpoint_that_is_none_is_refused(string value)
    {
        using IDisposable _ = ProcessState.Variable("HF_ENDPOINT", value);
        Assert.Contains("HF_ENDPOINT is '", Assert.Throws<LlmEmbedException>(HubEnvironment.OfProcess).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void An_endpoint_loses_its_slash()
    {
        using IDisposable _ = ProcessState.Variable("HF_ENDPOINT", "https://mirror.example/");
        Assert.Equal("https://mirror.example", HubEnvironment.OfProcess().Endpoint);
    }

    [Theory]
    [InlineData("org/name", true)]
    [InlineData("name", true)]
    [InlineData("org/name@refs/pr/1", true)]
    [InlineData("a/b/c", false)]
    [InlineData("-org/name", false)]
    [InlineData("org/name.", false)]
    [InlineData("org/na--me", false)]
    [InlineData("org/na..me", false)]
    [InlineData("org/name.git", false)]
    [InlineData("org/name@", false)]
    [InlineData("org/name@../x", false)]
    [InlineData("../x", false)]
    [InlineData("", false)]
    public void Names_are_those_that_the_hub_allows(string name, bool expected) => Assert.Equal(expected, HubName.Parse(name) is not null);

    [Theory]
    [InlineData("org/name", true)]
    [InlineData("name@main", true)]
    [InlineData("name", false)]
    [InlineData("org/weights.gguf", false)]
    [InlineData("here/name", false)]
    public void A_name_that_may_be_a_path_is_not_sent(string name, bool expected)
    {
        Directory.CreateDirectory(_folder.File("here"));
        using IDisposable _ = ProcessState.WorkingFolder(_folder.Path);
        Assert.Equal(expected, HubName.ParseRemote(name) is not null);
    }
}
