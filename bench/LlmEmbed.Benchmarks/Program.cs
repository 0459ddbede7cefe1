using LlmEmbed.Benchmarks;

// Each benchmark prints one Markdown table; docs/results keeps them.
return args switch
{
    ["hardware", .. string[] rest] => Hardware.Run(rest),
    ["llama.cpp", .. string[] rest] => LlamaCpp.Run(rest),
    ["latency"] => Latency.Run(),
    ["scaling"] => Scaling.Run(),
    ["few-labels", string training] => FewLabels.Run(training),
    ["few-labels", string training, string test] => FewLabels.Run(training, test),
    ["write-7b", string folder] => SevenBillion.Write(folder),
    ["memory", string folder, string limit] => SevenBillion.Run(folder, limit),
    _ => Usage(),
};

static int Usage()
{
    Console.Error.WriteLine(
        """
        dotnet run --configuration Release --project bench/LlmEmbed.Benchmarks -- BENCHMARK
          hardware             share of the machine's matrix product rate that extraction reaches, fp32 and int8
          llama.cpp            tokens per second beside llama.cpp on the same file (after: npm install --prefix bench/peers)
          latency              one text at a time through a loaded classifier
          scaling              time against depth and against length
          few-labels TRAIN [TEST]  accuracy with 5, 20 and 100 examples of each class, ten draws; without TEST on a fifth of TRAIN
          write-7b FOLDER      a LLaMA-2-7B-shaped fp16 checkpoint with random weights, 13.5 GB
          memory FOLDER LIMIT  that checkpoint in at most LIMIT bytes of memory, beside some of its blocks in memory
        """);
    return 2;
}
