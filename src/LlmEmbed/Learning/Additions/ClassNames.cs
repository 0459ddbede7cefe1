using LlmEmbed.Reading;

namespace LlmEmbed.Learning;

/// <summary>
/// With few labels the names of the classes are evidence too: what lies near "positive" in an encoder's space is rather positive. The inner product of a text's standardised
/// features with those of a name is linear in the text's, so a share of it is added to the weights of a linear head and costs nothing from then on.
/// </summary>
internal static class ClassNames
{
    /// <summary>More texts say all that a name could.</summary>
    public const int MostTexts = 500;

    /// <summary>The spread of the names' logits against that of the head's. On held-out texts larger shares cost accuracy on topics, and unseen texts' log loss does not warn of it.</summary>
    private static readonly double[] Shares = [0.1, 0.2, 0.3];

    /// <summary>Reads the names as texts.</summary>
    /// <param name="encoders">The backbones whose views stand side by side.</param>
    /// <param name="names">The C classes.</param>
    /// <returns>
    /// [C,F], zeros in the views of decoders that read nothing before a text: there a name is little more than a first token, whose state is the same for every text. Null where
    /// nothing can be had from names: they are letters or numbers, or all backbones are such decoders.
    /// </returns>
    public static FeatureMatrix? Read(IReadOnlyList<TextEncoder> encoders, IReadOnlyList<string> names)
    {
        if (encoders.All(encoder => encoder.BeginsWithText) || !names.All(IsWord)) return null;
        int columns = encoders.Sum(encoder => encoder.RowLength), end = 0;
        ArrayFeatures features = new(new float[names.Count * columns], names.Count, columns);
        foreach (TextEncoder encoder in encoders)
        {
            int offset = end;
            end += encoder.RowLength;
            if (encoder.BeginsWithText) continue;
            TextEmbeddings read = encoder.Encode(names);
            for (int name = 0; name < names.Count; name++) read[name].CopyTo(features.RowTarget(name)[offset..]);
        }
        return features;
    }

    /// <summary>Finds out which share of the names' logits suits texts that the head was not fitted to.</summary>
    /// <param name="head">On all features of <paramref name="data"/>.</param>
    /// <param name="data">With <see cref="HeadTrainingData.ClassNames"/>.</param>
    /// <param name="validation">Of the head.</param>
    /// <returns>The head with that share in it and the validation of both together; null where the names make nothing better.</returns>
    public static (LinearHead Head, double Share, CrossValidation Together)? Add(LinearHead head, HeadTrainingData data, CrossValidation validation)
    {
        LinearHead names = HeadOf(data.ClassNames!, data.ClassCount, head.Standardization);
        double[] logits = [.. validation.Rows.SelectMany(row =>
        {
            float[] own = new float[data.ClassCount];
            names.Logits(data.Features.Row(row), 1, own);
            return own.Select(logit => (double)logit);
        })];
        double spread = Spread(logits, data.ClassCount);
        if (spread == 0) return null;
        double unit = Spread(validation.Logits, data.ClassCount) / spread;
        int[] truth = [.. validation.Rows.Select(row => data.Labels[row])];
        (double share, CrossValidation together) = Shares.Select(share => (share, validation.Plus(logits, share * unit, truth))).MinBy(candidate => candidate.Item2.Chosen.CalibratedLogLoss);
        if (together.Chosen.CalibratedLogLoss >= validation.Chosen.CalibratedLogLoss) return null;
        float[] weights = [.. head.Weights.Zip(names.Weights, (own, name) => own + (float)(share * unit) * name)];
        return (new LinearHead(data.ClassCount, head.Standardization, weights, head.Intercepts), share, together);
    }

    /// <summary>Whose weights are the names' standardised features, without what they have in common.</summary>
    private static LinearHead HeadOf(FeatureMatrix names, int classCount, Standardization standardization)
    {
        int columns = names.Columns, outputs = LogisticLoss.OutputsFor(classCount);
        float[] weights = new float[outputs * columns];
        for (int column = 0; column < columns; column++)
        {
            // With two classes the one output is the second against the first.
            float reference = outputs == 1 ? names.Row(0)[column] : Enumerable.Range(0, classCount).Average(name => names.Row(name)[column]);
            for (int output = 0; output < outputs; output++)
                weights[output * columns + column] = (names.Row(output + classCount - outputs)[column] - reference) / standardization.Scale[column];
        }
        return new LinearHead(classCount, standardization, weights, new float[outputs]);
    }

    /// <summary>The root mean square of logits [N,C], less each row's mean.</summary>
    private static double Spread(double[] logits, int classCount) => Math.Sqrt(logits.Chunk(classCount).Average(row =>
    {
        double mean = row.Average();
        return row.Average(logit => (logit - mean) * (logit - mean));
    }));

    private static bool IsWord(string name) => name.Zip(name.Skip(1)).Any(pair => char.IsLetter(pair.First) && char.IsLetter(pair.Second));
}
