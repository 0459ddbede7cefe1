using LlmEmbed.Evaluation;
using LlmEmbed.Reading;

namespace LlmEmbed.Comparison;

/// <summary>What a language model is asked.</summary>
/// <param name="Labels">The classes.</param>
/// <param name="Examples">Solved examples in the prompt.</param>
/// <param name="ReasoningTokens">The most tokens that the model may write before it answers; 0 asks for the label at once.</param>
internal sealed record PromptedTask(IReadOnlyList<string> Labels, IReadOnlyList<LabeledText> Examples, int ReasoningTokens);

/// <summary>
/// Classifies by prompting a language model, which is what LLMEmbed replaces: the prompt's beginning is read once, each text behind it, and every
/// label is scored by the mean log-probability of its tokens.
/// </summary>
internal sealed class PromptedClassifier : IDisposable
{
    /// <summary>Rows that are continued together share the reading of the weights; more than these save little.</summary>
    private const int MostRows = 32;

    private const long CacheBytes = 512L << 20;

    private readonly PromptedTask _task;
    private readonly PromptFormat _format;
    private readonly LanguageModel _model;
    private readonly int[][] _labels;
    private readonly int _maxTokens, _beginning;

    private PromptedClassifier(BackboneReader reader, PromptFormat format, PromptedTask task, int[] beginning, int capacity)
    {
        (_task, _format, _maxTokens, _beginning) = (task, format, reader.Plan.MaxTokens, beginning.Length);
        _labels = [.. task.Labels.Select(format.LabelIds)];
        int rows = (int)Math.Clamp(CacheBytes / (LanguageModel.CacheBytes(reader.Backbone.Model) * capacity), 1, MostRows);
        _model = new LanguageModel(reader.Backbone.Model, reader.NewLayers, rows, capacity, reader.Threads);
        _model.Read(0, beginning);
        for (int row = 1; row < rows; row++) _model.Copy(0, row);
    }

    public bool IsChat => _format.IsChat;

    public int ExampleCount => _task.Examples.Count;

    /// <summary>Tokens that went through the blocks so far.</summary>
    public long TokensRead => _model.TokensRead;

    /// <summary>Tokens that the model wrote before its answers, so far.</summary>
    public long ReasoningTokens { get; private set; }

    /// <summary>Opens the language model and reads the prompt's beginning.</summary>
    /// <param name="reader">Its backbone must have a language-model head.</param>
    /// <param name="task">What is asked.</param>
    /// <param name="texts">The texts that will be classified, of which the longest must have room.</param>
    /// <returns>Null where the longest prompt has more tokens than the model has positions.</returns>
    public static PromptedClassifier? TryCreate(BackboneReader reader, PromptedTask task, IEnumerable<string> texts)
    {
        PromptFormat format = new(reader.Backbone.Tokenizer);
        int[] beginning = format.Beginning(task.Labels, task.Examples, reader.Plan.MaxTokens);
        int answer = task.ReasoningTokens == 0
            ? format.BeforeLabel.Length
            : format.BeforeReasoning.Length + task.ReasoningTokens + format.AfterReasoning.Length;
        int capacity = beginning.Length + texts.Max(
            text => format.TextIds(text, reader.Plan.MaxTokens).Length) + answer + task.Labels.Max(label => format.LabelIds(label).Length);
        return capacity <= reader.Backbone.Model.MaxTokens ? new PromptedClassifier(reader, format, task, beginning, capacity) : null;
    }

    /// <summary>[N,C], the mean log-probability of each label's tokens.</summary>
    /// <param name="texts">The N texts.</param>
    /// <param name="done">Told the number of texts of each finished batch.</param>
    /// <param name="cancellation">Stops between two steps.</param>
    public float[] Scores(IReadOnlyList<string> texts, Action<int> done, CancellationToken cancellation)
    {
        List<float> scores = [];
        int[] before = _task.ReasoningTokens == 0 ? _format.BeforeLabel : _format.BeforeReasoning;
        int batches = (texts.Count + _model.Rows - 1) / _model.Rows;
        foreach (string[] batch in texts.Chunk((texts.Count + batches - 1) / batches))
        {
            for (int row = 0; row < batch.Length; row++)
            {
                cancellation.ThrowIfCancellationRequested();
                _model.Cut(row, _beginning);
                _model.Read(row, [.. _format.TextIds(batch[row], _maxTokens), .. before]);
            }
            int[] order = _task.ReasoningTokens > 0 ? Reason(batch.Length, cancellation) : [.. Enumerable.Range(0, batch.Length)];
            float[][] found = [.. LabelScores(batch.Length).Chunk(_labels.Length)];
            scores.AddRange(order.Zip(found).OrderBy(row => row.First).SelectMany(row => row.Second));
            done(batch.Length);
        }
        return [.. scores];
    }

    public void Dispose() => _model.Dispose();

    /// <summary>
    /// Each row goes on with its most probable token until it ends its answer or is long enough. Rows that end go behind those that do not, and cost
    /// nothing more.
    /// </summary>
    /// <returns>For each row the text that is in it now.</returns>
    private int[] Reason(int rows, CancellationToken cancellation)
    {
        int[] order = [.. Enumerable.Range(0, rows)];
        int active = rows;
        for (int token = 0; token < _task.ReasoningTokens; token++)
        {
            cancellation.ThrowIfCancellationRequested();
            int[] next = MostProbable(active);
            for (int row = active - 1; row >= 0; row--)
            {
                if (!_format.EndIds.Contains(next[row])) continue;
                active--;
                _model.Swap(row, active);
                (order[row], order[active], next[row]) = (order[active], order[row], next[active]);
            }
            if (active == 0) break;
            _model.Step(next[..active]);
            ReasoningTokens += active;
        }
        foreach (int id in _format.AfterReasoning) _model.Step(Repeat(id, rows));
        return order;
    }

    private int[] MostProbable(int rows)
    {
        ReadOnlySpan<float> logProbabilities = _model.LogProbabilities(rows);
        return RowMaxima.IndexesOf(logProbabilities, logProbabilities.Length / rows);
    }

    /// <summary>[rows,C].</summary>
    private float[] LabelScores(int rows)
    {
        float[] scores = new float[rows * _labels.Length];
        ReadOnlySpan<float> next = _model.LogProbabilities(rows);
        for (int label = 0; label < _labels.Length; label++) AddToken(scores, label, 0, next, rows);
        int[] lengths = [.. Enumerable.Range(0, rows).Select(_model.Length)];
        for (int label = 0; label < _labels.Length; label++)
        {
            for (int token = 1; token < _labels[label].Length; token++)
            {
                _model.Step(Repeat(_labels[label][token - 1], rows));
                AddToken(scores, label, token, _model.LogProbabilities(rows), rows);
            }
            for (int row = 0; row < rows; row++) _model.Cut(row, lengths[row]);
        }
        return scores;
    }

    private void AddToken(float[] scores, int label, int token, ReadOnlySpan<float> logProbabilities, int rows)
    {
        int[] ids = _labels[label];
        int vocabulary = logProbabilities.Length / rows;
        for (int row = 0; row < rows; row++) scores[row * _labels.Length + label] += logProbabilities[row * vocabulary + ids[token]] / ids.Length;
    }

    private static int[] Repeat(int id, int rows) => [.. Enumerable.Repeat(id, rows)];
}
