namespace LlmEmbed.Tests.Tokenization;

internal static class TokenizerFolder
{
    /// <summary>A temporary folder with the configuration of a fixture's tokenizer and the named files.</summary>
    public static TemporaryFolder WithoutTokenizerJson(string fixture, params string[] files)
    {
        TemporaryFolder folder = new();
        foreach (string file in files.Append("tokenizer_config.json").Append("special_tokens_map.json"))
            File.Copy(Repository.Fixture(fixture, file), folder.File(file));
        return folder;
    }
}
