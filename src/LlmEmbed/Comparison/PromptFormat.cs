using LlmEmbed.Tokenization;

namespace LlmEmbed.Comparison;

/// <summary>
/// How a classification is put to a language model, as token ids. The task and its examples come first, the text follows, and so all texts share
/// their beginning.
/// Models whose tokenizer has <c>&lt;|im_start|&gt;</c> and <c>&lt;|im_end|&gt;</c> are addressed in the turns of a chat, all others in plain text.
/// </summary>
internal sealed class PromptFormat
{
    private const string Text = "Text:", Label = "Label:";

    /// <summary>By these a model says that it has finished.</summary>
    private static readonly string[] Ends = ["<|im_end|>", "<|endoftext|>", "<|end_of_text|>", "<|eot_id|>", "</s>"];

    private readonly Tokenizer _tokenizer;
    private readonly string _question, _answer, _nextQuestion;

    public PromptFormat(Tokenizer tokenizer)
    {
        _tokenizer = tokenizer;
        IsChat = IdOf("<|im_start|>") is not null && IdOf("<|im_end|>") is not null;
        (_question, _answer) = IsChat ? ("<|im_start|>user\n", "<|im_end|>\n<|im_start|>assistant\n") : ("", "\n");
        _nextQuestion = IsChat ? $"<|im_end|>\n{_question}" : "\n\n";
        EndIds = [.. Ends.Select(IdOf).OfType<int>()];
    }

    public bool IsChat { get; }

    /// <summary>The ids by which the model ends its answer.</summary>
    public HashSet<int> EndIds { get; }

    /// <summary>Before the answer's label.</summary>
    public int[] BeforeLabel => Continue($"{_answer}{Label}");

    /// <summary>Before the reasoning: the words of zero-shot chain of thought (Kojima et al. 2022).</summary>
    public int[] BeforeReasoning => Continue($"{_answer}Let's think step by step.");

    /// <summary>Between the reasoning and the label.</summary>
    public int[] AfterReasoning => Continue($"\n{Label}");

    /// <summary>The task and solved examples, up to where the text follows.</summary>
    public int[] Beginning(IEnumerable<string> labels, IEnumerable<LabeledText> examples, int maxTokens)
    {
        string task = $"{_question}Classify the text. Possible labels: {string.Join(", ", labels)}.\n\n{Text}";
        return [.. _tokenizer.Encode(task).Ids, .. examples.SelectMany(example => Example(example, maxTokens))];
    }

    /// <summary>An example's text, its label, and what leads to the next text.</summary>
    public int[] Example(LabeledText example, int maxTokens) =>
        [.. TextIds(example.Text, maxTokens), .. BeforeLabel, .. LabelIds(example.Label), .. Continue($"{_nextQuestion}{Text}")];

    /// <summary>The text loses its end where it is too long, never the prompt.</summary>
    public int[] TextIds(string text, int maxTokens) => Continue(" " + text) is var ids && ids.Length > maxTokens ? ids[..maxTokens] : ids;

    public int[] LabelIds(string label) => Continue(" " + label);

    /// <summary>The ids of what follows a word: some tokenizers begin every text of its own with a space.</summary>
    private int[] Continue(string addition)
    {
        const string Word = "Text";
        int[] before = Encode(Word), both = Encode(Word + addition);
        return both.AsSpan().StartsWith(before) ? both[before.Length..] : Encode(addition);
    }

    private int[] Encode(string text) => _tokenizer.Encode(text, addSpecialTokens: false).Ids;

    private int? IdOf(string token) => Encode(token) is [int id] && _tokenizer.TokenText(id) == token ? id : null;
}
