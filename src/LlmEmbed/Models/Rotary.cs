using LlmEmbed.Checkpoints;
using LlmEmbed.Engine;

namespace LlmEmbed.Models;

/// <summary>Tables of cosines and sines [positions,c/2] of rotary positions, which turn channel i of a head with channel i + c/2.</summary>
/// <param name="Cos">Cosines.</param>
/// <param name="Sin">Sines.</param>
/// <param name="Channels">r, the channels that are turned. Angles of the pairs behind r/2, if c is larger, are 0.</param>
internal sealed record Rotary(string Cos, string Sin, int Channels)
{
    /// <summary>Adds the tables to a network. Several networks with the same store share them.</summary>
    /// <param name="layers">The network.</param>
    /// <param name="settings">The frequencies.</param>
    /// <param name="positions">The longest T of any run.</param>
    /// <param name="channels">c, at least the channels that are turned.</param>
    public static Rotary Add(Layers layers, RotarySettings settings, int positions, int channels)
    {
        string Table(string name, Func<(float Sin, float Cos), float> part) =>
            layers.Shared($"{name}, {settings.Name}, {positions} positions, {channels} channels", () => settings.Table(positions, channels, part));
        return new Rotary(Table("cosines", pair => pair.Cos), Table("sines", pair => pair.Sin), settings.Channels);
    }
}

/// <summary>What determines the angles of rotary positions.</summary>
/// <param name="Name">Stands for them: different settings of one checkpoint have different names.</param>
/// <param name="Channels">r, the channels of a head that are turned.</param>
/// <param name="Base">The frequency of pair i is base^(−2i/r), before divisors and scaling.</param>
/// <param name="Divisors">[r/2], what each frequency is divided by; null for 1.</param>
/// <param name="Scaling">Changes the frequencies; null for none.</param>
internal sealed record RotarySettings(string Name, int Channels, double Base, float[]? Divisors, RopeScaling? Scaling)
{
    /// <summary>[positions,c/2]: the sine or the cosine of each angle.</summary>
    public WeightBuffer Table(int positions, int channels, Func<(float Sin, float Cos), float> part)
    {
        int half = channels / 2;
        WeightBuffer table = WeightBuffer.Allocate<float>(positions, half);
        Span<float> values = table.Span<float>();
        values.Fill(part((Sin: 0, Cos: 1)));
        for (int i = 0; i < Channels / 2; i++)
        {
            double frequency = Math.Pow(Base, -2.0 * i / Channels) / (Divisors?[i] ?? Scaling?.Divisors?[i] ?? 1);
            float scaled = (float)(Scaling?.Apply(frequency) ?? frequency), amplitude = Scaling?.Amplitude ?? 1;
            // The angle is a product in fp32, as in the reference implementation.
            for (int position = 0; position < positions; position++)
                values[position * half + i] = part(MathF.SinCos(position * scaled)) * amplitude;
        }
        return table;
    }
}

/// <summary>Rotary scaling of the types <c>linear</c>, <c>llama3</c> and <c>longrope</c>.</summary>
internal sealed record RopeScaling(double Factor, double LowFrequencyFactor, double HighFrequencyFactor, double OriginalMaxPositions, bool IsLinear)
{
    /// <summary>[r/2], what longrope divides each frequency by; null for other types.</summary>
    public float[]? Divisors { get; init; }

    /// <summary>What longrope multiplies cosines and sines by.</summary>
    public float Amplitude { get; init; } = 1;

    /// <summary>Reads the old style (<c>rope_theta</c> beside <c>rope_scaling</c>) and the new one (both in <c>rope_parameters</c>).</summary>
    /// <param name="config">The configuration.</param>
    /// <param name="hasLongRope">
    /// Whether the caller reads no text longer than <see cref="OriginalMaxPositions"/> if there are <see cref="Divisors"/>.
    /// </param>
    public static (double Base, RopeScaling? Scaling) Read(ModelConfig config, bool hasLongRope = false)
    {
        ModelConfig? parameters = config.Section("rope_parameters");
        ModelConfig? section = parameters ?? config.Section("rope_scaling");
        double ropeBase = (parameters ?? config).Number("rope_theta", config.Number("rope_theta", 10000.0));
        if (section is null) return (ropeBase, null);
        bool isLongRope = hasLongRope && section.Text("rope_type", section.Text("type", "")) is "longrope" or "su"; // su is the older name
        return (ropeBase, isLongRope ? LongRopeIn(section, config) : ScalingIn(section, config));
    }

    /// <summary>
    /// Reads what holds for the blocks of one type, where two types of blocks differ: the old style has a key for each type's base beside a
    /// scaling, the new one an object for each type in <c>rope_parameters</c>.
    /// </summary>
    /// <param name="config">The configuration.</param>
    /// <param name="layerType">The type, as <c>layer_types</c> names it.</param>
    /// <param name="baseKey">The old key.</param>
    /// <param name="defaultBase">The base if the configuration does not say it.</param>
    /// <param name="scalingKey">The old key of a scaling; null if that does not hold for this type.</param>
    public static (double Base, RopeScaling? Scaling) Read(
        ModelConfig config, string layerType, string baseKey, double defaultBase, string? scalingKey)
    {
        double oldBase = config.Number(baseKey, defaultBase);
        ModelConfig? section = config.Section("rope_parameters")?.Section(layerType);
        double ropeBase = section?.Number("rope_theta", oldBase) ?? oldBase;
        if (scalingKey is not null) section ??= config.Section(scalingKey);
        return (ropeBase, section is null ? null : ScalingIn(section, config));
    }

    /// <summary>
    /// Texts up to the original length have divisors of their own, longer ones others (<c>long_factor</c>), which are not implemented: the state of a
    /// token would depend on what follows it. The amplitude belongs to the whole length that the model is made for.
    /// </summary>
    private static RopeScaling LongRopeIn(ModelConfig section, ModelConfig config)
    {
        const string Original = "original_max_position_embeddings";
        _ = section.Has("long_factor");
        int original = section.Has(Original) ? section.Size(Original) : config.Size(Original);
        double stretch = section.Number("factor", (double)config.Size("max_position_embeddings", original) / original);
        double amplitude = section.Number("attention_factor", stretch <= 1 ? 1 : Math.Sqrt(1 + Math.Log(stretch) / Math.Log(original)));
        return new RopeScaling(1, 0, 0, original, IsLinear: true)
        {
            Divisors = section.Numbers("short_factor") ?? throw section.Wrong("short_factor", "is missing, expected an array of numbers."),
            Amplitude = (float)amplitude,
        };
    }

    private static RopeScaling? ScalingIn(ModelConfig section, ModelConfig config)
    {
        section.Require("rope_type", "default", "linear", "llama3");
        section.Require("type", "default", "linear", "llama3");
        return section.Text("rope_type", section.Text("type", "default")) switch
        {
            "linear" => new RopeScaling(section.Number("factor"), 0, 0, 0, IsLinear: true),
            "llama3" => new RopeScaling(
                section.Number("factor"),
                section.Number("low_freq_factor"),
                section.Number("high_freq_factor"),
                section.Number("original_max_position_embeddings", config.Number("max_position_embeddings", 2048)),
                IsLinear: false),
            _ => null,
        };
    }

    /// <summary>
    /// Scales one inverse frequency: for llama3, long wavelengths are stretched, short ones kept, those between blended (Hugging Face:
    /// modeling_rope_utils.py).
    /// </summary>
    public double Apply(double frequency)
    {
        if (IsLinear) return frequency / Factor;
        double wavelength = 2 * Math.PI / frequency;
        if (wavelength < OriginalMaxPositions / HighFrequencyFactor) return frequency;
        if (wavelength > OriginalMaxPositions / LowFrequencyFactor) return frequency / Factor;
        double smooth = (OriginalMaxPositions / wavelength - LowFrequencyFactor) / (HighFrequencyFactor - LowFrequencyFactor);
        return (1 - smooth) * frequency / Factor + smooth * frequency;
    }
}
