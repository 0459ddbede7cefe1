using LlmEmbed.Tokenization;
using Xunit;

namespace LlmEmbed.Tests.Tokenization;

public sealed class VocabularyFilesRefusalTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_folder_without_a_tokenizer() =>
        Refused(_folder.Path, "no tokenizer in this folder, expected one of tokenizer.json, tokenizer.model");

    [Fact]
    public void A_path_that_does_not_exist() => Refused(Path.Combine(_folder.Path, "none.json"), "it is no file or folder");

    [Fact]
    public void A_file_of_another_kind() => Refused(_folder.Write("weights.bin", ""), "not a tokenizer file, expected tokenizer.json");

    [Fact]
    public void A_vocab_txt_without_the_unknown_token() => Refused(_folder.Write("vocab.txt", "[CLS]\n[SEP]\na\n"), "a 'unk_token' is needed");

    [Fact]
    public void A_vocab_txt_without_the_separator() => Refused(_folder.Write("vocab.txt", "[CLS]\n[UNK]\na\n"), "a 'sep_token' is needed");

    [Fact]
    public void A_vocab_txt_that_is_no_UTF8() => Refused(_folder.Write("vocab.txt", [0x5B, 0xE9, 0x0A]), "the file is not UTF-8");

    [Fact]
    public void A_vocab_txt_of_a_class_that_splits_otherwise()
    {
        _folder.Write("tokenizer_config.json", """{"tokenizer_class":"BertJapaneseTokenizer"}""");
        Refused(
            _folder.Write("vocab.txt", "[UNK]\n"),
            "the tokenizer class 'BertJapaneseTokenizer', which the files beside it name, is not implemented for vocab.txt");
    }

    [Fact]
    public void A_vocab_json_without_merges() =>
        Refused(_folder.Write("vocab.json", "{}"), "merges.txt: no such file, but vocab.json needs it", "merges.txt");

    [Fact]
    public void A_vocab_json_of_an_unknown_class()
    {
        _folder.Write("merges.txt", "#version: 0.2\n");
        Refused(
            _folder.Write("vocab.json", """{"a":0}"""),
            "neither 'tokenizer_class' in tokenizer_config.json nor 'model_type' in config.json beside it says");
    }

    [Fact]
    public void A_vocab_json_of_a_model_with_another_class()
    {
        _folder.Write("merges.txt", "#version: 0.2\n");
        _folder.Write("config.json", """{"model_type":"llama"}""");
        Refused(
            _folder.Write("vocab.json", """{"a":0}"""),
            "the tokenizer class 'LlamaTokenizer', which the files beside it name, is not implemented for vocab.json. Implemented are GPT2Tokenizer");
    }

    [Fact]
    public void A_line_that_is_no_merge()
    {
        _folder.Write("merges.txt", "#version: 0.2\na b\nab\n");
        LlmEmbedException error = Refused(_folder.Write("vocab.json", """{"a":0,"b":1,"ab":2}"""), "line 3: 'ab' is not a merge", "merges.txt");
        Assert.Equal(3, error.LineNumber);
    }

    [Fact]
    public void An_added_token_whose_key_is_no_id()
    {
        _folder.Write("tokenizer_config.json", """{"added_tokens_decoder":{"x":{"content":"<x>"}}}""");
        Refused(_folder.Write("vocab.txt", "[UNK]\n"), "'added_tokens_decoder' has the key 'x', expected an id", "tokenizer_config.json");
    }

    [Fact]
    public void An_added_token_whose_id_belongs_to_another_token()
    {
        _folder.Write("added_tokens.json", """{"<x>":1}""");
        Refused(_folder.Write("vocab.txt", "[UNK]\n[CLS]\n[SEP]\n"), "the added token '<x>' has the id 1, which the vocabulary gives to '[CLS]'");
    }

    private LlmEmbedException Refused(string path, string expected, string? file = null)
    {
        LlmEmbedException error = Assert.Throws<LlmEmbedException>(() => Tokenizer.Load(path));
        Assert.Contains(expected, error.Message, StringComparison.Ordinal);
        Assert.Equal(file is null ? path : Path.Combine(_folder.Path, file), error.FilePath);
        return error;
    }
}
