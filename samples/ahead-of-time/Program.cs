using LlmEmbed;

if (args.Length < 2)
{
    Console.Error.WriteLine("Usage: ahead-of-time CLASSIFIER TEXT...");
    return 2;
}
try
{
    // The folder keeps 8-bit weights, so that only the first start computes them.
    RuntimeOptions runtime = new() { WeightsFolder = "weights" };
    using TextClassifier classifier = TextClassifier.Load(args[0], runtime);
    foreach (string text in args[1..])
    {
        Prediction prediction = classifier.Predict(text);
        Console.WriteLine($"{prediction.Label}\t{prediction.Probability:0.0000}");
    }
    return 0;
}
catch (LlmEmbedException exception)
{
    Console.Error.WriteLine(exception.Message);
    return 1;
}
