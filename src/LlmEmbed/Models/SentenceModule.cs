using System.Numerics.Tensors;
using LlmEmbed.Checkpoints;
using LlmEmbed.Files;

namespace LlmEmbed.Models;

/// <summary>Makes a vector of a vector. Both have a size that is known beforehand, and do not overlap.</summary>
internal delegate void VectorStep(ReadOnlySpan<float> input, Span<float> output);

/// <summary>
/// A module of a sentence-transformers repository behind the pooling: a text's vector → another one. They are computed text by text, so that a text
/// gives the same bits in any company; next to the blocks of a model they cost nothing.
/// </summary>
/// <param name="Description">For people.</param>
/// <param name="Size">Channels of the vector that it gives.</param>
/// <param name="Apply">Computes it.</param>
internal sealed record SentenceModule(string Description, int Size, VectorStep Apply)
{
    private const string Embedding = "sentence_embedding", DefaultActivation = "torch.nn.modules.activation.Tanh";

    /// <summary>A new kind of module is one row. A reader is told the size of the vector that enters; null stands for nothing to compute.</summary>
    private static readonly (string Name, Func<SentenceModuleFiles, int, SentenceModule?> Read)[] Kinds =
    [
        ("Dense", ReadDense),
        ("Normalize", ReadNormalize),
        ("LayerNorm", ReadLayerNorm),
        ("Dropout", (_, _) => null), // of use in training only
    ];

    private static readonly (string Name, VectorStep Apply)[] Activations =
    [
        (DefaultActivation, (input, output) => TensorPrimitives.Tanh(input, output)),
        ("torch.nn.modules.linear.Identity", (input, output) => input.CopyTo(output)),
        ("torch.nn.modules.activation.ReLU", (input, output) => TensorPrimitives.Max(input, 0, output)),
        ("torch.nn.modules.activation.GELU", Gelu),
        ("torch.nn.modules.activation.Sigmoid", (input, output) => TensorPrimitives.Sigmoid(input, output)),
    ];

    /// <param name="files">Where the module lies.</param>
    /// <param name="size">Channels of the vector that enters.</param>
    /// <returns>Null if it computes nothing.</returns>
    /// <exception cref="LlmEmbedException">It is damaged, does not fit, or is not implemented.</exception>
    public static SentenceModule? Read(SentenceModuleFiles files, int size)
    {
        foreach ((string name, Func<SentenceModuleFiles, int, SentenceModule?> read) in Kinds)
            if (name == files.Name) return read(files, size);
        throw files.NotImplemented($"{string.Join(" or ", Kinds.Select(kind => kind.Name))} behind the pooling");
    }

    /// <summary>y = W·x, with W [out,in].</summary>
    public static SentenceModule OfMatrix(Weight weight)
    {
        (int outputs, int inputs) = ((int)weight.Shape[0], weight.RowLength);
        float[] matrix = new float[outputs * inputs];
        weight.CopyTo(matrix);
        return new SentenceModule($"Dense {inputs} → {outputs}, Identity", outputs, (input, output) => Multiply(matrix, input, output));
    }

    /// <summary>y = activation(W·x + b), to which x is added, or a product with it where the sizes differ.</summary>
    private static SentenceModule ReadDense(SentenceModuleFiles files, int size)
    {
        JsonSection config = files.Config();
        int inputs = config.Int("in_features"), outputs = config.Int("out_features");
        if (inputs != size) throw config.Error($"'in_features' is {inputs}, but the vector that enters has {size} channels.");
        string name = config.TextOrNull("activation_function") ?? DefaultActivation;
        VectorStep activation = Activations.FirstOrDefault(row => row.Name == name).Apply ?? throw config.Error(
            $"the activation '{name}' is not implemented, expected one of {string.Join(", ", Activations.Select(row => row.Name))}.");
        bool hasBias = config.Flag("bias", fallback: true), addsInput = config.Flag("use_residual", fallback: false);
        RequirePlace(config);
        using SafetensorsFile weights = files.OpenWeights();
        float[] matrix = weights.ReadFloat32("linear.weight", outputs, inputs);
        float[]? bias = hasBias ? weights.ReadFloat32("linear.bias", outputs) : null;
        float[]? residual = addsInput && inputs != outputs ? weights.ReadFloat32("residual.weight", outputs, inputs) : null;
        string description = $"Dense {inputs} → {outputs}, {name[(name.LastIndexOf('.') + 1)..]}{(addsInput ? ", residual" : "")}";
        return new SentenceModule(description, outputs, (input, output) =>
        {
            Multiply(matrix, input, output);
            if (bias is not null) TensorPrimitives.Add(output, bias, output);
            activation(output, output);
            if (!addsInput) return;
            float[] added = new float[outputs];
            if (residual is null) input.CopyTo(added);
            else Multiply(residual, input, added);
            TensorPrimitives.Add(output, added, output);
        });
    }

    /// <summary>The vector brought to length 1.</summary>
    private static SentenceModule ReadNormalize(SentenceModuleFiles files, int size)
    {
        RequirePlace(files.Config());
        return new SentenceModule(
            "Normalize", size, (input, output) => TensorPrimitives.Divide(input, MathF.Max(TensorPrimitives.Norm(input), 1e-12f), output));
    }

    /// <summary>The vector's channels with mean 0 and variance 1, then scaled and shifted.</summary>
    private static SentenceModule ReadLayerNorm(SentenceModuleFiles files, int size)
    {
        const float Epsilon = 1e-5f;
        JsonSection config = files.Config();
        if (config.Int("dimension") is var dimension && dimension != size)
            throw config.Error($"'dimension' is {dimension}, but the vector that enters has {size} channels.");
        RequirePlace(config);
        using SafetensorsFile weights = files.OpenWeights();
        float[] scale = weights.ReadFloat32("norm.weight", size), shift = weights.ReadFloat32("norm.bias", size);
        return new SentenceModule("LayerNorm", size, (input, output) =>
        {
            TensorPrimitives.Subtract(input, TensorPrimitives.Sum(input) / size, output);
            float variance = TensorPrimitives.SumOfSquares<float>(output) / size;
            TensorPrimitives.Divide(output, MathF.Sqrt(variance + Epsilon), output);
            TensorPrimitives.MultiplyAdd(output, scale, shift, output);
        });
    }

    /// <summary>Refuses modules that work on something else than the text's vector, such as the states of its tokens.</summary>
    private static void RequirePlace(JsonSection config)
    {
        SentenceFiles.Expect(config, "module_input_name", Embedding);
        SentenceFiles.Expect(config, "module_output_name", Embedding);
        SentenceFiles.RefuseUnread(config);
    }

    /// <summary>[out,in]·[in] → [out].</summary>
    private static void Multiply(float[] matrix, ReadOnlySpan<float> input, Span<float> output)
    {
        for (int row = 0; row < output.Length; row++) output[row] = TensorPrimitives.Dot(matrix.AsSpan(row * input.Length, input.Length), input);
    }

    /// <summary>x·Φ(x), with the normal distribution itself and no approximation by tanh.</summary>
    private static void Gelu(ReadOnlySpan<float> input, Span<float> output)
    {
        for (int i = 0; i < input.Length; i++) output[i] = (float)(input[i] * 0.5 * (1 + Erf(input[i] / Math.Sqrt(2))));
    }

    /// <summary>The error function by its Taylor series, right to 1e-9 below 4; from there on it differs from 1 by less than 2e-8.</summary>
    private static double Erf(double x)
    {
        if (Math.Abs(x) >= 4) return Math.Sign(x);
        double sum = x, term = x;
        for (int n = 1; Math.Abs(term) > 1e-17 * Math.Abs(sum); n++)
        {
            term *= -x * x / n; // (-1)^n x^(2n+1) / n!
            sum += term / (2 * n + 1);
        }
        return 2 / Math.Sqrt(Math.PI) * sum;
    }
}
