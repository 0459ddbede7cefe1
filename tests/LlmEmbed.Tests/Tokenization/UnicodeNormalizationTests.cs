using System.Security.Cryptography;
using System.Text;
using LlmEmbed.Tokenization;
using Xunit;

namespace LlmEmbed.Tests.Tokenization;

public sealed class UnicodeNormalizationTests
{
    [Theory]
    [InlineData(NormalizationForm.FormC, "\u1E9B\u0323", "\u1E9B\u0323")]
    [InlineData(NormalizationForm.FormD, "\u1E9B\u0323", "\u017F\u0323\u0307")]
    [InlineData(NormalizationForm.FormKC, "\u1E9B\u0323", "\u1E69")]
    [InlineData(NormalizationForm.FormKD, "\u1E9B\u0323", "s\u0323\u0307")]
    [InlineData(NormalizationForm.FormC, "\u1112\u1161\u11AB\u1100\u1161", "\uD55C\uAC00")]
    [InlineData(NormalizationForm.FormD, "\uD55C\uAC00", "\u1112\u1161\u11AB\u1100\u1161")]
    [InlineData(NormalizationForm.FormC, "\u0958", "\u0915\u093C")]
    [InlineData(NormalizationForm.FormC, "a\u0316\u0301\u0300", "\u00E1\u0316\u0300")]
    [InlineData(NormalizationForm.FormC, "\u2126\u212B\uF900", "\u03A9\u00C5\u8C48")]
    [InlineData(NormalizationForm.FormKC, "\uFB01\u2460\u3392\uFF21", "fi1MHzA")]
    [InlineData(NormalizationForm.FormKC, "\U0001D400\U0001D7FF", "A9")]
    [InlineData(NormalizationForm.FormD, "\U0001D15E", "\U0001D157\U0001D165")]
    public void Known_cases_of_the_standard(NormalizationForm form, string text, string expected) =>
        Assert.Equal(expected, UnicodeNormalization.Normalize(text, form).ToString());

    /// <summary>The digest is that of the same texts as the tokenizers library 0.23.2 normalizes them.</summary>
    [Theory]
    [InlineData(NormalizationForm.FormC, "1eff79a35c4edf6f6c103261f12dd1c4901392d6fbbb49151b478ce041dd91b2")]
    [InlineData(NormalizationForm.FormD, "89f0106a4f77b07a8ed38af55b9fc753f3d8a91633cf2e32b9392e8f29fe1d9d")]
    [InlineData(NormalizationForm.FormKC, "d212d02666bc75f1c5eaf7a15edb48d1c8688e6cdcf0f94e5e380ac8acd29638")]
    [InlineData(NormalizationForm.FormKD, "85567501bbefaa57f385fe0364a0ed4341dd05625c1cd3804c50ada3d44cd802")]
    public void Every_character_before_and_behind_marks_is_what_the_library_makes_of_it(NormalizationForm form, string digest)
    {
        using IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (int plane in new[] { 0, 1, 2 })
        {
            for (int character = plane << 16; character < (plane + 1) << 16; character++)
            {
                if (character is >= 0xD800 and <= 0xDFFF) continue;
                string text = new Rune(character).ToString();
                foreach (string probe in new[] { $"a{text}\u0316", $"\u0301{text}", $"{text}\u0301\u093C" })
                    hash.AppendData(Encoding.UTF8.GetBytes(UnicodeNormalization.Normalize(probe, form).ToString()));
            }
        }
        Assert.Equal(digest, Convert.ToHexStringLower(hash.GetHashAndReset()));
    }
}
