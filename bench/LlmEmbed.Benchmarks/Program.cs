using LlmEmbed.Benchmarks;

// Each benchmark prints one Markdown table; docs/results keeps them.
if (args is ["--repetitions", string repetitions, ..])
{
    Bench.Repetitions = Bench.Number(repetitions);
    args = args[2..];
}
return args switch
{
    ["hardware", "shapes"] => Hardware.RunShapes(),
    ["hardware", .. string[] rest] => Hardware.Run(rest),
    ["golden", string fixtures] => GoldenStates.Run(fixtures),
    ["llama.cpp", "--model", string model] => LlamaCpp.Run(model, [], mostWords: 300),
    ["llama.cpp", .. string[] rest] => LlamaCpp.Run(Bench.StarterGguf(), rest, mostWords: 400),
    ["write-gguf", string format, string file] => GgufCopy.Write(format, file),
    ["onnxruntime"] => OnnxRuntime.Run(),
    ["transformers.js", string file] => TransformersJs.Run(file),
    ["latency"] => Latency.Run(),
    ["scaling"] => Scaling.Run(),
    ["scaling-rows"] => Scaling.Rows(1_000_000),
    ["scaling-rows", string most] => Scaling.Rows(Bench.Number(most)),
    ["padding", _, ..] => Padding.Run(args[1..]),
    ["similarity", string file] => Similarity.Run(file),
    ["similarity", string file, string texts] => Similarity.Run(file, Bench.Number(texts)),
    ["logistic", .. string[] size] => Logistic.Run(size),
    ["head-epoch"] => HeadEpoch.Run(67_349),
    ["head-epoch", string rows] => HeadEpoch.Run(Bench.Number(rows)),
    ["end-to-end", string training, .. string[] backbones] => EndToEnd.Run(training, backbones),
    ["reading", string training] => Reading.Run(training, null),
    ["reading", string training, string texts] => Reading.Run(training, Bench.Number(texts)),
    ["few-labels", string training, .. string[] rest] when new FewLabelsOptions().With(rest) is { } options => FewLabels.Run(training, options),
    ["prediction-rate", string before, string after, string training, string texts] => PredictionRate.Run(before, after, training, texts),
    ["write-7b", string folder] => SevenBillion.Write(folder, blocks: 32),
    ["write-7b", string folder, string blocks] => SevenBillion.Write(folder, Bench.Number(blocks)),
    ["memory", string folder, string limit] => SevenBillion.Run(folder, limit),
    ["memory", string folder, string limit, string texts] => SevenBillion.Run(folder, limit, Bench.Number(texts)),
    ["jobs"] => JobCosts.Run(60_000),
    ["jobs", string texts] => JobCosts.Run(Bench.Number(texts)),
    ["job-plan"] => JobCosts.Plan(10_000_000),
    ["job-plan", string most] => JobCosts.Plan(Bench.Number(most)),
    ["serve", string model, string texts] => ServerLoad.Run(model, texts),
    ["serve-memory", string model, string texts] => ServerLoad.Memory(model, texts, minutes: 10),
    ["serve-memory", string model, string texts, string minutes] => ServerLoad.Memory(model, texts, Bench.Number(minutes)),
    ["serve-start", string model, string other] => ServerLoad.Starts(model, other),
    ["cluster"] => ClusterSimulation.Run(tokensPerSecond: 20_000, tokensPerText: 25),
    ["cluster", string tokensPerSecond, string tokensPerText] => ClusterSimulation.Run(Bench.Number(tokensPerSecond), Bench.Number(tokensPerText)),
    ["cluster-records"] => ClusterRecords.Run(1000),
    ["cluster-records", string shards] => ClusterRecords.Run(Bench.Number(shards)),
    ["cluster-records-of", string folder] => ClusterRecords.RunJob(folder),
    _ => Usage(),
};

static int Usage()
{
    Console.Error.WriteLine(
        """
        dotnet run --configuration Release --project bench/LlmEmbed.Benchmarks -- [--repetitions N] BENCHMARK
          hardware [PATH:DEPTH]...   share of the machine's matrix product rate that reading reaches, fp32 and int8; of the starters, or of
                                     checkpoints, each with the depth to cut at
          hardware shapes            the same for some blocks of the shapes of ModernBERT-base, gte-base, all-mpnet-base-v2, EmbeddingGemma-300m
                                     and Qwen3-0.6B
          golden FIXTURES            largest difference from golden states in fp32 and cosine of int8, for each checkpoint of a folder
          llama.cpp [FILE.gguf]...   tokens per second beside llama.cpp on the starter's file and on others (after: npm install --prefix bench/peers)
          llama.cpp --model FILE.gguf  the same on another model's file
          write-gguf FORMAT FILE     the starter's file as Q8_0, Q5_0, Q4_0 or F16, for that
          onnxruntime                all-MiniLM-L6-v2 beside onnxruntime-node on a graph as exporters write it
                                     (after: npm install --prefix bench/peers)
          transformers.js FILE       the same from texts to embeddings beside Transformers.js, on the first 2,000 texts
                                     (after: npm install --prefix bench/peers)
          latency                    one text at a time through a loaded classifier, and by a fresh process
          scaling                    time against depth and against length
          scaling-rows [MOST]        10,000, 100,000 and 1,000,000 short texts through predict: rate and memory
          padding FILE...            padding among the tokens that are computed
          similarity FILE [TEXTS]    how close int8 is to fp32 at each candidate view, on the first 300 texts
          logistic [FILE | ROWS COLUMNS]  logistic regression beside scikit-learn (after: apt install python3-sklearn libopenblas0-pthread); without
                                     arguments on synthetic features of sst2's size
          head-epoch [ROWS]          one epoch of the reference head at the paper's size against the matrix product rate
          end-to-end TRAIN [BACKBONE]...  training from file to classifier against the engine alone, then with the embeddings in the cache
          reading TRAIN [TEXTS]      seconds that recipe auto reads beside those of the released recipe for the same texts
          few-labels TRAIN [TEST] [OPTION]...  accuracy, calibration error and time of auto and two baselines with few examples of each class;
                                     without TEST on a fifth of TRAIN. --draws 5, --per-class 5,20,100 (all: every training text, one draw),
                                     --test-texts N (measure on a stratified sample), --more (three further methods), --cache FOLDER (keep the
                                     embeddings, which else are deleted at the end)
          prediction-rate BEFORE AFTER TRAIN TEXTS  seconds in which two versions of llmembed.dll predict a file of texts, in turn, each with its
                                     own classifier of 20 examples of each class
          write-7b FOLDER [BLOCKS]   a LLaMA-2-7B-shaped fp16 checkpoint with random weights, 13.5 GB with all 32 blocks
          memory FOLDER LIMIT [TEXTS]  that checkpoint in at most LIMIT GB of memory, beside some of its blocks in memory; 60 texts of a hundred
                                     tokens
          jobs [TEXTS]               what a shard costs, seven shards by two workers beside one predict, and how right the estimate of a plan is;
                                     60,000 texts
          job-plan [MOST]            rate and memory of job plan on 1,000,000 and 10,000,000 short rows, and on 1,000,000 longer ones
          serve MODEL FILE           single texts of 64 clients to a server beside the same texts in one call, and more than it can carry
          serve-memory MODEL FILE [MINUTES]  the memory of a busy server, minute by minute
          serve-start MODEL OTHER    seconds until a server answers; its memory with one and with two classifiers on the same backbones
          cluster [TOKENS_PER_SECOND TOKENS_PER_TEXT]  10^8 and 10^10 texts on 100 and 1,000 nodes of that rate, with failures, by a simulated clock;
                                     20,000 tokens/s and 25 tokens a text (needs strace)
          cluster-records [SHARDS]   the clock with a real job of 1,000 shards: its files, and what it asks of the file system (needs strace)
        """);
    return 2;
}
