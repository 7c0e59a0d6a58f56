using MlNetTransfer.Advice;
using MlNetTransfer.Backbones;
using MlNetTransfer.Datasets;
using MlNetTransfer.Features;
using MlNetTransfer.Imaging;
using MlNetTransfer.Training;

namespace MlNetTransfer.Jobs;

/// <summary>The images of the question, and their features by all networks.</summary>
internal sealed record AdviseQuestion(
    TrainingSet Set,
    IReadOnlyList<int> Train,
    Backbone Backbone,
    TapGroups Groups,
    TrainOptions Run
)
{
    private const int SizedImages = 300;

    /// <summary>A tap as its own network calls it.</summary>
    public string TapName(int tap) => Groups.Names[tap][(Groups.Names[tap].IndexOf('/') + 1)..];

    /// <summary>One of the networks by itself.</summary>
    public SingleNetwork OfNetwork(string id)
    {
        Backbone network = Backbone.Parts.Single(part => part.Card.Id == id);
        int[] taps = Groups.TapsOf([id]);
        return new SingleNetwork(network, [.. network.Card.Taps], Groups.Only(taps), Groups.Columns(Set.Table, taps));
    }

    public DataSummary Summary(int[] counts)
    {
        int[] ordered = [.. counts.Order()];
        (int Width, int Height)[] sizes = Sizes();
        return new DataSummary(
            Train.Count,
            counts.Length,
            ordered[0],
            ordered[ordered.Length / 2],
            ordered[^1],
            Middle(sizes.Select(size => size.Width)),
            Middle(sizes.Select(size => size.Height))
        );
    }

    /// <summary>Some of the rows to train on, about as many of each class as it has.</summary>
    public int[] Sample(int most) =>
        Train.Count <= most
            ? [.. Train]
            :
            [
                .. Train
                    .GroupBy(row => Set.Table.Labels[row])
                    .SelectMany(rows => rows.Take(Math.Max(2, (int)((long)rows.Count() * most / Train.Count))))
                    .Order(),
            ];

    private (int Width, int Height)[] Sizes()
    {
        using var reader = new ItemReader(Run.Limits);
        return
        [
            .. Sample(SizedImages)
                .Select(row =>
                {
                    ImageInfo header = ImageHeader.Read(reader.Read(Set.Item(row)));
                    return header.Orientation >= 5 ? (header.Height, header.Width) : (header.Width, header.Height);
                }),
        ];
    }

    private static int Middle(IEnumerable<int> values)
    {
        int[] ordered = [.. values.Order()];
        return ordered.Length == 0 ? 0 : ordered[ordered.Length / 2];
    }
}

/// <summary>One network with its taps and features of all images.</summary>
internal sealed record SingleNetwork(
    Backbone Backbone,
    IReadOnlyList<BackboneTap> Taps,
    TapGroups Groups,
    FeatureTable Table
)
{
    /// <summary>The features of the default tap alone.</summary>
    public FeatureTable AtDefaultTap { get; } =
        Groups.Columns(Table, [Taps.ToList().FindIndex(tap => tap.Name == Backbone.Card.DefaultTap)]);

    public RecipeRows Rows(AdviseQuestion question) =>
        question.Set.Recipe(question.Run) with
        {
            Table = Table,
            Taps = Taps,
            Space = FeatureExtractor.SpaceOf(
                Backbone,
                [.. Taps.Select(tap => tap.Tensor)],
                question.Set.Extractor.Plan
            ),
        };
}
