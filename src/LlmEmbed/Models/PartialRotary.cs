namespace LlmEmbed.Models;

/// <summary>
/// Rotary positions that turn the first r of a head's d channels only, channel i with channel i + r/2. The engine turns channel i with channel
/// i + d/2, so the rows of the linear layers that make queries and keys are brought into another order, in which these pairs stand half a head apart.
/// Products of queries and keys do not depend on the order of channels. The channels behind the first r stand in pairs that are not turned
/// (<see cref="Rotary.Add"/>).
/// </summary>
internal static class PartialRotary
{
    /// <summary>For each channel of a head in the new order the channel that it is in the old one.</summary>
    /// <param name="headSize">d, an even number.</param>
    /// <param name="turned">r, an even number, at most d.</param>
    public static int[] ChannelOrder(int headSize, int turned)
    {
        int pairs = turned / 2, unturned = (headSize - turned) / 2;
        return
        [
            .. Enumerable.Range(0, pairs), .. Enumerable.Range(turned, unturned),
            .. Enumerable.Range(pairs, pairs), .. Enumerable.Range(turned + unturned, unturned),
        ];
    }
}
