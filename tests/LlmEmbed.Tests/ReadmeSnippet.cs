namespace LlmEmbed.Tests;

/// <summary>The example of README.md, compiled and run as it stands there.</summary>
internal static class ReadmeSnippet
{
    public static void Run()
    {
        // README:begin
        LabeledText[] requests =
        [
            new("I was charged twice", "billing"), new("Please refund my invoice", "billing"), new("The price is wrong", "billing"),
            new("My parcel is late", "delivery"), new("Where is the courier?", "delivery"), new("Ship it to another address", "delivery"),
        ];
        TrainingOptions options = new() { Recipe = new Recipe.Automatic { Backbones = ["all-minilm-l6-v2"] }, HeldOutShare = 0.3 };
        using TextClassifier trained = TextClassifier.Train(requests, options);
        Console.WriteLine($"Right on held-out requests: {trained.Training!.HeldOut!.Accuracy:P0}");
        trained.Save("my-model");

        using TextClassifier classifier = TextClassifier.Load("my-model");
        Prediction prediction = classifier.Predict("When will my package get here?");
        Console.WriteLine($"{prediction.Label} ({prediction.Probability:P1})");

        using TextEncoder encoder = TextEncoder.Load("all-minilm-l6-v2");
        TextEmbeddings embeddings = encoder.Encode(["One vector", "for each text"]); // [2 texts, 2 depths, 384]
        // README:end
    }
}
