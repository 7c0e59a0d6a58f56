using System.Globalization;
using System.Text;
using System.Text.Json;
using MlNetTransfer.Encoders;
using MlNetTransfer.Imaging;

namespace MlNetTransfer.Tests.Encoders;

/// <summary>
/// A toy that shows the door for text: words become tokens by a hash, up to a length. All that a kind of content needs
/// is in this file.
/// </summary>
internal sealed record WordEncoder(int Length, int Vocabulary) : ContentEncoder
{
    /// <summary>The line of the registry.</summary>
    public static EncoderKind Words { get; } = EncoderKind.All.Add(new EncoderKind("Words", Read));

    public override EncoderKind Kind => Words;

    public override object Settings => new { Length, Vocabulary };

    public override string Version => "words 1";

    public override IReadOnlyList<EncodedInput> Inputs =>
        [new("ids", ElementType.Token, [Length]), new("mask", ElementType.Number, [Length])];

    public override string Description =>
        string.Create(CultureInfo.InvariantCulture, $"{Length} words of {Vocabulary}");

    public override EncoderWorker CreateWorker(ImageLimits limits) => new Worker(this);

    public long[] Tokens(string text) =>
        [
            .. text.Split(' ', StringSplitOptions.RemoveEmptyEntries)
                .Take(Length)
                .Select(word => (long)(word.Aggregate(7u, (hash, letter) => 31 * hash + letter) % (uint)Vocabulary)),
        ];

    private static WordEncoder Read(JsonElement settings) =>
        new(settings.GetProperty(nameof(Length)).GetInt32(), settings.GetProperty(nameof(Vocabulary)).GetInt32());

    private sealed class Worker(WordEncoder encoder) : EncoderWorker
    {
        private static readonly UTF8Encoding Strict = new(false, throwOnInvalidBytes: true);

        public override void Encode(ReadOnlySpan<byte> content, EncodedItem target)
        {
            long[] tokens;
            try
            {
                tokens = encoder.Tokens(Strict.GetString(content));
            }
            catch (DecoderFallbackException e)
            {
                throw new ImageRejectedException("not text in UTF-8", e);
            }

            Span<long> ids = target.Tensor<long>(0);
            Span<float> mask = target.Tensor<float>(1);
            ids.Clear();
            mask.Clear();
            tokens.CopyTo(ids);
            mask[..tokens.Length].Fill(1);
        }
    }
}
