using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Transforms;
using MlNetTransfer.Onnx;
using MlNetTransfer.Imaging;
using MlNetTransfer.Models;

namespace MlNetTransfer;

/// <summary>Makes a model of ML.NET's own transformers of a model file: OnnxTransformer, then two that turn the predicted index into a key.</summary>
/// <remarks>
/// OnnxTransformer gives vectors only, and of the stock row mappers that need no training only hashing with <c>combine</c> makes a scalar of one; ValueMapping then takes
/// the hash to the class. The hashes of the classes are checked to be distinct.
/// </remarks>
/// <param name="options">The columns' names.</param>
/// <param name="classes">The classes.</param>
internal sealed class StockModel(TransferImageClassificationOptions options, ClassKeys classes)
{
    private readonly MLContext context = new(options.Seed);

    /// <summary>Builds the model, and checks it as a model file is checked.</summary>
    /// <param name="file">The model file.</param>
    /// <param name="preprocessing">The form of an image.</param>
    /// <param name="sample">Images, and what was evaluated for them.</param>
    /// <returns>The model as it is after having been saved and loaded, so that it owns all it needs.</returns>
    /// <exception cref="TransferException">The model does not agree with what was evaluated.</exception>
    public ITransformer Build(string file, Preprocessing preprocessing, ParitySample sample)
    {
        string named = file + ".stock";
        try
        {
            StockGraph.Of(OnnxModel.Load(file), options, classes.Names).Save(named);
            ITransformer model = SavedAndLoaded(named, Pixels([], preprocessing));
            try
            {
                Check(model, Pixels(sample.Tensors!, preprocessing), sample.Probabilities);
                return model;
            }
            catch
            {
                (model as IDisposable)?.Dispose();
                throw;
            }
        }
        finally
        {
            File.Delete(named);
        }
    }

    private ITransformer SavedAndLoaded(string onnx, IDataView empty)
    {
        (HashingEstimator hash, IDataView lookup) = ClassesByHash();
        TransformerChain<ValueMappingTransformer> chain = context.Transforms.ApplyOnnxModel([options.ScoreColumnName, options.PredictedLabelColumnName], [options.FeatureColumnName], onnx)
            .Append(hash)
            .Append(context.Transforms.Conversion.MapValue(options.PredictedLabelColumnName, lookup, lookup.Schema[options.PredictedLabelColumnName], lookup.Schema[ClassKeys.Value], options.PredictedLabelColumnName))
            .Fit(empty);
        using (chain)
        {
            using var saved = new MemoryStream();
            context.Model.Save(chain, empty.Schema, saved);
            saved.Position = 0;
            return context.Model.Load(saved, out _);
        }
    }

    /// <summary>A row per class: the hash of its index, and its key.</summary>
    private (HashingEstimator Hash, IDataView Lookup) ClassesByHash()
    {
        IDataView rows = classes.Rows(context);
        string predicted = options.PredictedLabelColumnName;
        for (uint seed = 0; ; seed++)
        {
            var hash = new HashingEstimator.ColumnOptions(predicted, ClassKeys.Index, seed: seed, combine: true);
            IDataView lookup = context.Transforms.Conversion.Hash(hash).Append(context.Transforms.Conversion.MapValueToKey(ClassKeys.Value)).Fit(rows).Transform(rows);
            if (lookup.GetColumn<uint>(predicted).Distinct().Count() == classes.Names.Count)
                return (context.Transforms.Conversion.Hash(new HashingEstimator.ColumnOptions(predicted, predicted, seed: seed, combine: true)), lookup);
        }
    }

    private IDataView Pixels(IReadOnlyList<float[]> tensors, Preprocessing preprocessing)
    {
        SchemaDefinition schema = SchemaDefinition.Create(typeof(PixelRow));
        SchemaDefinition.Column pixels = schema[nameof(PixelRow.Pixels)];
        pixels.ColumnName = options.FeatureColumnName;
        pixels.ColumnType = new VectorDataViewType(NumberDataViewType.Single, 3, preprocessing.Size, preprocessing.Size);
        return context.Data.LoadFromEnumerable(tensors.Select(t => new PixelRow { Pixels = t }), schema);
    }

    private void Check(ITransformer model, IDataView pixels, float[] expected)
    {
        IDataView scored = model.Transform(pixels);
        float[] found = [.. scored.GetColumn<float[]>(options.ScoreColumnName).SelectMany(row => row)];
        ParityRecord parity = ParityRecord.Of(expected, found, classes.Names.Count);
        int[] likeliest = [.. found.Chunk(classes.Names.Count).Select(row => Array.IndexOf(row, row.Max()))];
        int wrong = scored.GetColumn<uint>(options.PredictedLabelColumnName).Zip(likeliest).Count(p => p.First != p.Second + 1);
        if (parity.Agrees && wrong == 0) return;
        throw new TransferException(FormattableString.Invariant(
            $"The ML.NET model was not kept: on {parity.Images} images it differs from the evaluated one by up to {parity.MaxDifference:g3} in probability, where at most {ParityRecord.Tolerance:g1} was expected, and {wrong} of its predicted labels are not the likeliest. This is a fault of the export: report it with the backbone's id and the version of Microsoft.ML."));
    }

    private sealed class PixelRow
    {
        public float[] Pixels { get; set; } = [];
    }
}
