using System.Runtime.InteropServices;
using System.Text.Json;
using MlNetTransfer.Backbones;
using MlNetTransfer.Checks;
using MlNetTransfer.Datasets;
using MlNetTransfer.Features;
using MlNetTransfer.Imaging;
using MlNetTransfer.Jobs;
using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.Experiments;

/// <summary>
/// Faults planted in 600 images of a task: what the checks find of them, and what else; wrong labels beside the rule of
/// confident learning alone, and beside scikit-learn's logistic regression with the two rules that are used most.
/// </summary>
internal static class ChecksExperiment
{
    private const int Images = 600,
        Seeds = 3;

    private static readonly string[] Copies = ["same", "saved", "resized"];

    public static int Run(string[] args, Experiment experiment)
    {
        foreach (string task in args.Length > 0 ? args : ["clipart10", "stamps8"])
        {
            Round[] rounds = [.. Enumerable.Range(0, Seeds).Select(seed => new Round(task, seed))];
            Found(task, rounds, experiment);
            Labels(task, rounds, experiment);
            Pairs(task, rounds, experiment);
        }

        return 0;
    }

    private static void Found(string task, Round[] rounds, Experiment experiment)
    {
        Table table = experiment.Table(
            $"{BackboneCatalog.DefaultId} on {Images} images of {task}: planted faults, mean of {Seeds} draws; others: "
                + "findings that were not planted; clean: findings before anything was planted",
            Column.Text("check", 16),
            Column.Number("planted", "0.0"),
            Column.Number("found", "0.0"),
            Column.Number("others", "0.0"),
            Column.Percent("precision"),
            Column.Percent("recall"),
            Column.Number("clean", "0.0")
        );
        Add("unreadable", FindingKind.Unreadable, f => [f.Files[0]], r => r.Planted("corrupt"));
        Add("leak", FindingKind.Leak, Pair, r => [.. Copies.SelectMany(r.Planted)]);
        foreach (string copy in Copies)
            table.Add(
                $"  {copy}",
                rounds.Average(r => r.Planted(copy).Count),
                rounds.Average(r => r.Of(FindingKind.Leak, Pair).Count(r.Planted(copy).Contains)),
                null,
                null,
                Figure.OfDraws([
                    .. rounds.Select(r =>
                        r.Of(FindingKind.Leak, Pair).Count(r.Planted(copy).Contains) / (double)r.Planted(copy).Count
                    ),
                ]),
                null
            );
        Add("label error", FindingKind.LabelError, f => [f.Files[0]], r => r.Planted("flipped"));
        Add("outlier", FindingKind.Outlier, f => [f.Files[0]], r => r.Planted("outlier"));
        foreach (
            FindingKind kind in Enum.GetValues<FindingKind>()
                .Except([FindingKind.Unreadable, FindingKind.Leak, FindingKind.LabelError, FindingKind.Outlier])
        )
            table.Add(
                kind.ToString(),
                null,
                null,
                rounds.Average(r => r.Summary.Findings.Count(f => f.Kind == kind)),
                null,
                null,
                rounds.Average(r => r.Clean.Findings.Count(f => f.Kind == kind))
            );
        foreach (DataFinding other in rounds.SelectMany(r => r.Clean.Findings).Where(f => f.Files.Count == 2))
            Console.WriteLine(
                $"  not planted: {other.Kind} {string.Join(" = ", other.Files.Select(Path.GetFileName))}"
            );

        void Add(string name, FindingKind kind, Func<DataFinding, string[]> key, Func<Round, HashSet<string>> planted)
        {
            int[] hits = [.. rounds.Select(r => r.Of(kind, key).Count(planted(r).Contains))],
                all = [.. rounds.Select(r => r.Of(kind, key).Count)];
            table.Add(
                name,
                rounds.Average(r => planted(r).Count),
                hits.Average(),
                all.Average() - hits.Average(),
                Figure.OfDraws([.. hits.Zip(all, (h, n) => n == 0 ? 1 : (double)h / n)]),
                Figure.OfDraws([.. hits.Zip(rounds, (h, r) => (double)h / planted(r).Count)]),
                rounds.Average(r => r.Clean.Findings.Count(f => f.Kind == kind))
            );
        }

        static string[] Pair(DataFinding finding) => [string.Join('|', finding.Files.Order(StringComparer.Ordinal))];
    }

    private static void Labels(string task, Round[] rounds, Experiment experiment)
    {
        Table table = experiment.Table(
            $"wrong labels in {task}, mean of {Seeds} draws; first: the share of wrong labels among as many images, the "
                + "surest first, as there are wrong labels",
            Column.Text("way", 48),
            Column.Number("findings", "0.0"),
            Column.Percent("precision"),
            Column.Percent("recall"),
            Column.Percent("F1"),
            Column.Percent("first")
        );
        foreach (
            IGrouping<string, (string Way, string[] Names, string[] Ranked, Round Round)> way in rounds
                .SelectMany(r => r.Ways().Select(w => (w.Way, w.Names, w.Ranked, r)))
                .GroupBy(w => w.Way)
        )
        {
            double[] precision = [.. way.Select(w => Share(w.Names, w.Round))],
                recall =

                [
                    .. way.Select(w =>
                        (double)w.Names.Count(w.Round.Planted("flipped").Contains) / w.Round.Planted("flipped").Count
                    ),
                ];
            table.Add(
                way.Key,
                way.Average(w => w.Names.Length),
                Figure.OfDraws(precision),
                Figure.OfDraws(recall),
                Figure.OfDraws([.. precision.Zip(recall, (p, r) => p + r == 0 ? 0 : 2 * p * r / (p + r))]),
                Figure.OfDraws([.. way.Select(w => Share(w.Ranked[..w.Round.Planted("flipped").Count], w.Round))])
            );
        }

        static double Share(string[] names, Round round) =>
            names.Length == 0 ? 1 : (double)names.Count(round.Planted("flipped").Contains) / names.Length;
    }

    private static void Pairs(string task, Round[] rounds, Experiment experiment)
    {
        Table table = experiment.Table(
            $"copies in {task}, all draws, beside all pairs of different images: how far apart, and how many are within "
                + "the limits one after the other",
            Column.Text("pairs", 12),
            Column.Number("number"),
            Column.Number("most bits"),
            Column.Number("most shades", "0.0"),
            Column.Number("least cosine", "0.000"),
            Column.Number("bits"),
            Column.Number("and shades"),
            Column.Number("and cosine")
        );
        foreach (string copy in Copies)
            Add(copy, [.. rounds.SelectMany(r => r.Pairs(r.Planted(copy)))]);
        Add("different", [.. rounds[0].Pairs(null)]);

        void Add(string name, (int Bits, double Shades, double Cosine)[] pairs)
        {
            (int Bits, double Shades, double Cosine)[] near = [.. pairs.Where(p => p.Bits <= Duplicates.MostBits)],
                nearer = [.. near.Where(p => p.Shades <= Duplicates.MostDifference)];
            bool copies = name != "different";
            table.Add(
                name,
                pairs.Length,
                copies ? pairs.Max(p => p.Bits) : null,
                copies ? pairs.Max(p => p.Shades) : null,
                copies ? pairs.Min(p => p.Cosine) : null,
                near.Length,
                nearer.Length,
                nearer.Count(p => p.Cosine >= Duplicates.LeastCosine)
            );
        }
    }

    /// <summary>One draw: images, faults, and what was found.</summary>
    private sealed class Round : IDisposable
    {
        private readonly Scratch scratch = new();
        private readonly Dictionary<string, HashSet<string>> planted;
        private readonly CheckedImages images;

        public Round(string task, int seed)
        {
            Dataset data = WithoutItsOwn(PackagedTasks.All[task](), scratch.File("whole.csv"));
            var rng = new Rng(seed);
            int[] order = [.. Enumerable.Range(0, data.Items.Count)];
            rng.Shuffle<int>(order);
            File.WriteAllLines(
                scratch.File("task.txt"),
                order
                    .Take(Images)
                    .Select(i =>
                        $"{((FileLocation)data.Items[i].Location).Path}\t{data.ClassNames[data.Items[i].Label]}"
                    )
            );
            PythonProgram.Output(Plant, "python3-pil python3-sklearn", scratch.Path, $"{seed}");
            planted = JsonSerializer
                .Deserialize<Dictionary<string, string[]>>(File.ReadAllText(scratch.File("planted.json")))!
                .ToDictionary(p => p.Key, p => p.Value.ToHashSet(StringComparer.Ordinal));
            Summary = new CheckJob(new CheckOptions { Folder = scratch.File("planted.csv"), Seed = seed }).Run();
            Clean = new CheckJob(new CheckOptions { Folder = scratch.File("clean.csv"), Seed = seed }).Run();
            images = Look(DatasetReader.Read(scratch.File("planted.csv")));
        }

        public CheckSummary Summary { get; }

        public CheckSummary Clean { get; }

        public HashSet<string> Planted(string fault) => planted[fault];

        public HashSet<string> Of(FindingKind kind, Func<DataFinding, string[]> key) =>
            [.. Summary.Findings.Where(f => f.Kind == kind).SelectMany(key)];

        /// <summary>Ways to find wrong labels: what each finds, and all images, the surest first.</summary>
        public IEnumerable<(string Way, string[] Names, string[] Ranked)> Ways()
        {
            LabelErrors predicted = LabelErrors
                .Predict(images.Table, [.. Enumerable.Range(0, images.Count)], 1, 2, null, CancellationToken.None)
                .Found!;
            double[] beliefs = predicted.Beliefs();
            int[] counted = ConfidentLearning.Counted(
                predicted.Probabilities.Span,
                images.Table.Labels,
                images.Table.Classes
            );
            string[] ranked = [.. Enumerable.Range(0, images.Count).OrderBy(row => beliefs[row]).Select(images.Name)];
            yield return ("check", [.. Of(FindingKind.LabelError, f => [f.Files[0]])], ranked);
            yield return (
                "the rule alone on its probabilities",
                [
                    .. Enumerable
                        .Range(0, images.Count)
                        .Where(row => counted[row] >= 0 && counted[row] != images.Table.Labels[row])
                        .Select(images.Name),
                ],
                ranked
            );
            string file = scratch.File("features");
            using (var stream = File.Create(file))
            {
                stream.Write(MemoryMarshal.AsBytes(images.Table.Values.AsSpan()));
                stream.Write(MemoryMarshal.AsBytes(images.Table.Labels.AsSpan()));
            }

            string found = PythonProgram.Output(
                Rules,
                "python3-sklearn",
                file,
                $"{images.Count}",
                $"{images.Table.Width}"
            );
            foreach (string line in found.Split('\n', StringSplitOptions.RemoveEmptyEntries))
            {
                string[] parts = line.Split('\t');
                yield return (parts[0], Names(parts[1]), Names(parts[2]));
            }

            string[] Names(string rows) =>
                [.. rows.Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(row => images.Name(int.Parse(row)))];
        }

        /// <summary>How far apart planted copies are, or, without, images that were there before.</summary>
        public IEnumerable<(int Bits, double Shades, double Cosine)> Pairs(HashSet<string>? copies)
        {
            var rows = Enumerable.Range(0, images.Count).ToDictionary(images.Name, row => row);
            if (copies is not null)
                return copies.Select(pair => pair.Split('|')).Select(p => Apart(rows[p[0]], rows[p[1]]));
            int[] before =
            [
                .. rows.Where(r => Path.IsPathRooted(r.Key) && images.Facts[r.Value]?.Hash is not null)
                    .Select(r => r.Value),
            ];
            return before.SelectMany((one, i) => before.Take(i).Select(other => Apart(one, other)));
        }

        public void Dispose() => scratch.Dispose();

        private (int, double, double) Apart(int one, int other)
        {
            (ImageFacts a, ImageFacts b) = (images.Facts[one]!, images.Facts[other]!);
            int bits = PerceptualHash.Distance(a.Hash ?? 0, b.Hash ?? 0);
            return (bits, a.Difference(b), bits > Duplicates.MostBits + 8 ? 0 : images.Points.Cosine(one, other));
        }

        /// <summary>
        /// The task without what is wrong with it beyond doubt: images that are there twice, byte for byte or pixel for
        /// pixel, and those that cannot be read. What is found then was planted, or is for a person to judge.
        /// </summary>
        private static Dataset WithoutItsOwn(Dataset data, string list)
        {
            PackagedFolders.WriteList(data, list);
            HashSet<string> wrong =
            [
                .. new CheckJob(new CheckOptions { Folder = list })
                    .Run()
                    .Findings.Where(f => f.Exact || f.Kind == FindingKind.Unreadable)
                    .SelectMany(f => f.Files),
            ];
            return data with
            {
                Items = [.. data.Items.Where(item => !wrong.Contains(((FileLocation)item.Location).Path))],
            };
        }

        private static CheckedImages Look(Dataset data)
        {
            Backbone backbone = new BackboneStore(BackboneCatalog.Default).Open(BackboneCatalog.DefaultId);
            BackboneTap[] taps = [.. backbone.Card.Taps];
            using var extractor = new FeatureExtractor(backbone, [.. taps.Select(tap => tap.Name)]);
            ItemRows rows = extractor.Extract(data.Items, CacheFolder.For("features"));
            DataItem[] items = [.. rows.Accepted.Select(i => data.Items[i])];
            var all = new FeatureTable(data.ClassNames, [.. items.Select(i => i.Label)], rows.Values, rows.Width);
            int taken = Array.FindIndex(taps, tap => tap.Name == backbone.Card.DefaultTap);
            return new CheckedImages(
                items,
                all.Columns(taps[..taken].Sum(tap => tap.Width), taps[taken].Width),
                ImagePoints.InPlace(all),
                rows.Digests,
                ImageInspector.InspectAll(items, new ImageLimits(), 2, null, CancellationToken.None),
                null
            );
        }
    }

    /// <summary>Plants the faults; image files of the task are read, never written.</summary>
    private const string Plant = """
        import sys, os, csv, json, glob, random, shutil
        import numpy as np
        from PIL import Image
        from sklearn.datasets import load_sample_images
        folder, seed = sys.argv[1], int(sys.argv[2])
        r = random.Random(seed)
        rows = [l.rstrip("\n").split("\t") for l in open(folder + "/task.txt")]
        classes = sorted({c for _, c in rows})
        rows = [[p, c, "train" if i % 5 else "test"] for i, (p, c) in enumerate(rows)]
        def write(name, rows):
            with open(folder + "/" + name, "w", newline="") as f:
                w = csv.writer(f); w.writerow(["path", "label", "split"]); w.writerows(rows)
        write("clean.csv", rows)
        planted = {k: [] for k in ("flipped", "same", "saved", "resized", "corrupt", "outlier")}
        flips = r.sample(range(len(rows)), len(rows) // 20)
        for i in flips:
            rows[i][1] = r.choice([c for c in classes if c != rows[i][1]])
            planted["flipped"].append(rows[i][0])
        Image.MAX_IMAGE_PIXELS = None  # sizes are looked at before anything is decoded
        def small(p): return np.prod(Image.open(p).size) < 4e6
        train = [i for i in range(len(rows)) if rows[i][2] == "train" and i not in flips and small(rows[i][0])]
        for k, i in enumerate(r.sample(train, 30)):
            kind = ("same", "saved", "resized")[k % 3]
            p, c, _ = rows[i]
            name = f"copy{k}" + (".jpg" if kind == "saved" else ".png")
            im = Image.open(p).convert("RGBA")
            flat = Image.alpha_composite(Image.new("RGBA", im.size, "white"), im).convert("RGB")
            if kind == "same": shutil.copy(p, folder + "/" + name)
            elif kind == "saved": flat.save(folder + "/" + name, quality=r.choice([60, 75, 90]))
            else:
                f = r.choice([0.4, 0.6, 0.8])
                flat.resize([max(8, round(s * f)) for s in im.size], Image.LANCZOS).save(folder + "/" + name)
            rows.append([name, c, "test"])
            planted[kind].append("|".join(sorted([p, name])))
        for k in range(10):
            b = open(rows[r.choice(train)][0], "rb").read()
            name = f"corrupt{k}.png"
            cut = b[: int(len(b) * r.uniform(0.2, 0.8))] if k % 3 else (b"" if k == 0 else bytes(r.randrange(256) for _ in b[:999]))
            open(folder + "/" + name, "wb").write(cut)
            rows.append([name, r.choice(classes), "train"]); planted["corrupt"].append(name)
        photos = load_sample_images().images
        signs = ("signs_and_symbols/map_symbols", "transportation/roadsigns")
        other = [p for d in signs for p in sorted(glob.glob(f"/usr/share/openclipart/png/{d}/*.png")) if small(p)]
        n = np.random.RandomState(seed)
        for k in range(20):
            name = f"outlier{k}.png"
            if k % 3 == 0:
                a = photos[k % 2]; y, x, s = n.randint(200), n.randint(400), 160 + n.randint(60)
                im = Image.fromarray(a[y : y + s, x : x + s])
            elif k % 3 == 1:
                s = 2 ** n.randint(3, 7)
                im = Image.fromarray(n.randint(0, 256, (s, s, 3)).astype("uint8")).resize((224, 224), Image.BICUBIC)
            else:
                im = Image.open(r.choice(other)).convert("RGBA")
                im = Image.alpha_composite(Image.new("RGBA", im.size, "white"), im).convert("RGB")
            im.save(folder + "/" + name)
            rows.append([name, r.choice(classes), "train"]); planted["outlier"].append(name)
        write("planted.csv", rows)
        json.dump(planted, open(folder + "/planted.json", "w"))
        """;

    /// <summary>Logistic regression, and the two rules of the paper that are used most, written from the paper.</summary>
    private const string Rules = """
        import sys, warnings
        import numpy as np
        from sklearn.linear_model import LogisticRegression
        from sklearn.model_selection import StratifiedKFold, cross_val_predict
        warnings.simplefilter("ignore")
        n, d = int(sys.argv[2]), int(sys.argv[3])
        with open(sys.argv[1], "rb") as f:
            x, y = np.fromfile(f, np.float32, n * d).reshape(n, d), np.fromfile(f, np.int32, n)
        k = y.max() + 1
        p = cross_val_predict(LogisticRegression(max_iter=500), x, y, cv=StratifiedKFold(5, shuffle=True, random_state=1), method="predict_proba")
        own = p[np.arange(n), y]
        t = np.array([p[y == c, c].mean() for c in range(k)])
        above = np.where(p >= t, p, -1)
        counted, known = above.argmax(1), above.max(1) >= 0
        joint = known & (counted != y)
        c = np.zeros((k, k)); np.add.at(c, (y[known], counted[known]), 1)
        c = c / np.maximum(c.sum(1, keepdims=True), 1) * np.bincount(y, minlength=k)[:, None]
        pruned = np.zeros(n, bool)
        for a in range(k):
            rows = np.where(y == a)[0]
            for b in range(k):
                if a != b and round(c[a, b]) > 0:
                    pruned[rows[np.argsort(p[rows, a] - p[rows, b])[: int(round(c[a, b]))]]] = True
        pruned &= p.argmax(1) != y
        ranked = " ".join(map(str, np.argsort(own)))
        for name, found in (("confident joint, logistic regression", joint), ("prune by noise rate, logistic regression", pruned)):
            print(name, " ".join(map(str, np.where(found)[0])), ranked, sep="\t")
        """;
}
